"""The calls of a run in few words, for two runs to be compared by."""

from django.urls import reverse

from apps.core.actor import Actor
from apps.gateway.queries import calls_visible_to
from apps.gateway.stored import sentences_of
from apps.gateway.telling import money_of
from apps.runs.facts import CallBrief
from apps.runs.models import Run


def briefs_of(actor: Actor, run: Run, most: int) -> list[CallBrief]:
    """The first so many, in the order they were asked for, as this actor reads them. Two queries, and two more where a
    tool has classes of data.
    """
    found = calls_visible_to(actor).filter(run=run).select_related("tool").order_by("requested_at", "id")
    calls = list(found[:most])
    sentences = sentences_of(calls, actor)
    return [
        CallBrief(
            id=call.id,
            tool=call.tool.name,
            sentence=sentences[call.id],
            digest=call.arguments_digest,
            state=call.state,
            money=money_of(call),
            at=call.requested_at,
            url=reverse("call-decisions", args=[call.id]),
        )
        for call in calls
    ]
