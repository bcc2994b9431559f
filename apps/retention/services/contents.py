"""What is erased of each kind of content. Rows, digests and hashes stay; every function runs in the transaction of who
calls it, and returns how many things lost what they said.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import ngettext

from apps.approvals.models import Approval, SecondLook, Vote
from apps.artifacts.models import Artifact, StateVersion
from apps.core import clock
from apps.gateway.consent import SUBJECT_TYPE
from apps.gateway.models import OPEN_STATES, CallState, CallVersion, Decision, Resolution, ToolCall, UnwindState
from apps.retention.models import Content, PurgedTrace
from apps.telemetry.models import ReportedSpan
from apps.vault import services as vault

# Somebody may still have to look at what these carry, or send it.
UNSETTLED = (*OPEN_STATES, CallState.OUTCOME_UNKNOWN)


@dataclass(frozen=True, slots=True)
class Erased:
    """How many things of a kind, and how many documents of the vault that were."""

    content: Content
    count: int
    documents: int = 0

    @property
    def what(self) -> str:
        """As in "the arguments and results of 3 calls"."""
        return words_of(self.content, self.count)


def words_of(content: Content, count: int) -> str:
    words = {
        Content.CALLS: ngettext(
            "the arguments and results of %(n)s call", "the arguments and results of %(n)s calls", count
        ),
        Content.STATE: ngettext("%(n)s version of its state", "%(n)s versions of its state", count),
        Content.ARTIFACTS: ngettext("%(n)s artifact", "%(n)s artifacts", count),
        Content.REPORTED: ngettext(
            "the prompts and answers of %(n)s reported step", "the prompts and answers of %(n)s reported steps", count
        ),
        Content.SPANS: ngettext("%(n)s reported step", "%(n)s reported steps", count),
    }[content]
    return words % {"n": f"{count:,}"}


def calls_to_erase() -> QuerySet[ToolCall]:
    """Those that are settled, of runs that nobody is undoing, and still say something."""
    calls = ToolCall.objects.filter(request__erased_at=None).exclude(state__in=UNSETTLED)
    return calls.exclude(run__unwinds__state=UnwindState.RUNNING).order_by()


def states_to_erase() -> QuerySet[StateVersion]:
    return StateVersion.objects.filter(document__erased_at=None).order_by()


def artifacts_to_erase() -> QuerySet[Artifact]:
    return Artifact.objects.filter(erased_at=None).order_by()


def erase_calls(call_ids: Collection[UUID]) -> Erased:
    """All that was stored with the calls: what was asked, every version of it, what decisions were made from, the cards
    people saw, their words, what systems answered, what people found out.
    """
    calls = list(ToolCall.objects.filter(id__in=call_ids).values_list("request_id", "result_id"))
    documents: set[UUID | None] = {one for pair in calls for one in pair}
    of_calls = {"tool_call__in": call_ids}
    documents |= set(Decision.objects.filter(**of_calls).order_by().values_list("input_id", flat=True))
    documents |= set(Resolution.objects.filter(**of_calls).order_by().values_list("words_id", flat=True))
    for pair in CallVersion.objects.filter(**of_calls).order_by().values_list("request_id", "reason_id"):
        documents |= set(pair)
    approvals = Approval.objects.filter(subject_type=SUBJECT_TYPE, subject_id__in=call_ids).order_by()
    cards = dict(approvals.values_list("id", "card_id"))
    documents |= set(cards.values())
    if cards:
        documents |= set(Vote.objects.filter(approval__in=cards).order_by().values_list("comment_id", flat=True))
        documents |= set(SecondLook.objects.filter(approval__in=cards).order_by().values_list("reason_id", flat=True))
    return Erased(Content.CALLS, len(calls), vault.erase(documents))


def erase_states(version_ids: Collection[UUID]) -> Erased:
    documents = list(StateVersion.objects.filter(id__in=version_ids).values_list("document_id", flat=True))
    return Erased(Content.STATE, len(documents), vault.erase(documents))


def erase_artifacts(artifact_ids: Collection[UUID]) -> Erased:
    """Their files are removed by the sweeper, which goes by these marks."""
    there = Artifact.objects.filter(id__in=artifact_ids, erased_at=None)
    return Erased(Content.ARTIFACTS, there.update(erased_at=clock.now()))


def erase_reported(trace_keys: Collection[UUID]) -> Erased:
    """What agents reported in these traces keeps kind, times, tokens and tools."""
    count = ReportedSpan.objects.filter(trace__in=trace_keys).exclude(payload="").update(payload="")
    now = clock.now()
    PurgedTrace.objects.bulk_create(
        [PurgedTrace(trace=key, erased_at=now) for key in trace_keys], ignore_conflicts=True
    )
    return Erased(Content.REPORTED, count)
