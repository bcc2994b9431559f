"""What an agent asks for, as typed values."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apps.core.tracing import TraceContext


@dataclass(frozen=True, slots=True)
class CallRequest:
    """The body of `POST /api/v1/tool-calls`, its shape checked and its meaning not yet.

    `confidence` is between 0 and 1; `evidence` is [{"title", "uri", "sha256"}]; `on_behalf_of` names the person who
    asked the agent. `compensates` is the call that this one undoes: set by the mesh alone. `trace` is where in the
    agent's own trace it was asked for, when the request says so.
    """

    tool: str
    arguments: dict[str, Any]
    idempotency_key: str
    run_id: UUID | None = None
    rationale: str = ""
    confidence: float | None = None
    evidence: tuple[dict[str, str], ...] = field(default=())
    on_behalf_of: str = ""
    region: str | None = None
    customer_tier: str | None = None
    compensates: UUID | None = None
    trace: TraceContext | None = None
