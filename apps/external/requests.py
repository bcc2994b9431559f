"""What a gateway outside asks for, its shape checked and its meaning not yet."""

from dataclasses import asdict, dataclass, field
from typing import Any

from apps.approvals.requests import StageRequest


@dataclass(frozen=True, slots=True)
class ExternalAsk:
    """The body of `POST /api/v1/approvals`.

    `facts` are (label, value); `money` is (decimal amount, currency); `policies` are {"id", "version", "says"} in the
    caller's words; `confidence` is between 0 and 1; `payload_sha256` is hex, over whatever the caller will carry out.
    """

    idempotency_key: str
    sentence: str
    system: str
    action: str
    payload_sha256: str
    stages: tuple[StageRequest, ...]
    expires_seconds: int
    risk: str
    is_reversible: bool = False
    facts: tuple[tuple[str, str], ...] = ()
    money: tuple[str, str] | None = None
    policies: tuple[dict[str, str], ...] = field(default=())
    evidence: tuple[dict[str, str], ...] = field(default=())
    rationale: str = ""
    confidence: float | None = None
    on_behalf_of: str = ""
    callback_url: str = ""


def stored_form(ask: ExternalAsk) -> dict[str, Any]:
    """JSON, for the vault and for recognising a repetition."""
    return asdict(ask)


def from_stored(body: dict[str, Any]) -> ExternalAsk:
    """The ask again. Raises TypeError for what was not made by `stored_form`."""
    lists = {
        "stages": tuple(StageRequest(**stage) for stage in body["stages"]),
        "facts": tuple((label, value) for label, value in body["facts"]),
        "money": tuple(body["money"]) if body["money"] else None,
        "policies": tuple(body["policies"]),
        "evidence": tuple(body["evidence"]),
    }
    return ExternalAsk(**{**body, **lists})
