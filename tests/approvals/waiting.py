"""Questions with a card worth reading, and what became of them: for tests of time and oversight."""

from dataclasses import replace
from typing import Any

from django.db import transaction

from apps.approvals import services
from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.core.models import OutboxEvent
from tests.approvals.questions import ASKER, question

HOUR = 3600


def asked(
    stages: str = "finance-approvers:1",
    *,
    hours: float = 10,
    sentence: str = "Credit €1,280.00 to C-204 on invoice INV-1042",
    reversible: bool = False,
    **more: Any,
) -> Approval:
    """It waits for finance, for ten hours, and the last vote on it settles at once; unless said otherwise."""
    asks = question(stages, expires_seconds=int(hours * HOUR), reversible=reversible, **more)
    with transaction.atomic():
        return services.request_consent(replace(asks, card=card(sentence)), actor=ASKER)


def card(sentence: str) -> dict[str, Any]:
    return {
        "sentence": sentence,
        "tool": "erp.issue_credit_memo",
        "tool_title": "Issue a credit memo",
        "tool_version": 1,
        "system": "ERP",
        "agent": "writer",
        "agent_name": "Order-to-cash writer",
        "facts": [["Invoice", "INV-1042"], ["Customer", "C-204"]],
        "why": [{"says": "Larger credit memos need one finance approver", "ref": "credit-finance@1", "set": "o2c"}],
        "evidence": [{"title": "Price list", "uri": "urn:erp:price-list", "sha256": "a" * 64}],
        "statement": "Billed 80.00 a unit, agreed were 64.00.",
        "confidence": 0.93,
        "reversible": True,
    }


def fresh(approval: Approval) -> Approval:
    """The row as it is now."""
    return Approval.objects.select_related("process").get(id=approval.id)


def told(approval: Approval) -> list[str]:
    """The codes of the log about it, in order."""
    return list(AuditEntry.objects.filter(subject_id=str(approval.id)).order_by("seq").values_list("code", flat=True))


def news(approval: Approval, name: str) -> list[dict[str, Any]]:
    """The bodies of the events of this name about it, in order."""
    events = OutboxEvent.objects.filter(subject=f"approval:{approval.id}", name=name)
    return list(events.order_by("id").values_list("body", flat=True))
