"""Many approvals at once, through the engine's own door, without a tool call behind each."""

import hashlib
from typing import Any

from apps.approvals import services
from apps.approvals.models import Approval
from apps.approvals.requests import ConsentRequest, StageRequest
from apps.core.actor import system_actor
from apps.core.ids import uuid7
from apps.core.money import Money
from apps.registry.models import Agent, Process
from tests.conftest import actor

SETUP = system_actor("tests")


def ask(amount: str | None = "10.00", currency: str = "EUR", **changes: Any) -> Approval:
    """One reversible request of medium risk by the writer, waiting for one finance approver, unless said otherwise."""
    subject = uuid7()
    team = changes.pop("team", "finance-approvers")
    agent = Agent.objects.select_related("process").get(slug=changes.pop("agent", "writer"))
    process = changes.pop("process", None)
    sentence = changes.pop("sentence", f"Credit {amount} {currency} to C-204")
    request = {
        "subject_type": "test",
        "subject_id": subject,
        "digest": hashlib.sha256(subject.bytes).hexdigest(),
        "card": {"sentence": sentence, "facts": [], "why": [], "evidence": []},
        "process": Process.objects.get(slug=process) if process else agent.process,
        "environment": "production",
        "agent": agent,
        "run_id": None,
        "stages": (StageRequest(team=team),),
        "expires_seconds": 8 * 3600,
        "risk": "medium",
        "money": Money.parse(amount, currency) if amount is not None else None,
        "policy_ref": "credit-finance@1",
        "is_reversible": True,
    }
    return services.request_consent(ConsentRequest(**{**request, **changes}), actor=SETUP)


def ask_many(count: int, **changes: Any) -> list[Approval]:
    return [ask(f"{number + 1}.00", **changes) for number in range(count)]


def vote(username: str, approval: Approval, verdict: str = "approve", **more: Any) -> None:
    """As this person, on what is there now."""
    services.cast_vote(actor=actor(username), approval_id=approval.id, verdict=verdict, digest=approval.digest, **more)
