"""Tool calls as what the approvals engine asks people about."""

from django.urls import reverse

from apps.approvals.models import Approval
from apps.approvals.subjects import SubjectKind
from apps.gateway.consent import SUBJECT_TYPE
from apps.gateway.precedents import context_of


def _edit_url(approval: Approval) -> str:
    return reverse("approval-edit", args=[approval.id])


TOOL_CALL = SubjectKind(SUBJECT_TYPE, edit_url=_edit_url, can_change=True, context=context_of)
