"""What is told of content that was erased from a run: a step of it, that says what, when, by whom and why. It stands at
the end of the run on the time axis, however much later it happened.
"""

import datetime as dt
from collections.abc import Sequence

from django.utils.translation import gettext as _

from apps.core.clock import rfc3339
from apps.core.ids import uuid7
from apps.runs.models import Run, Span, SpanKind, SpanOrigin, SpanStatus
from apps.runs.sentences import Sentence


def erasure_span(run: Run, *, what: str, by: str, why: str, at: dt.datetime, is_rule: bool) -> Span:
    """The step, not written yet. `what` as in "the arguments and results of 3 calls"; `why` is the rule, or the words
    of who asked for it.
    """
    moment = run.ended_at or run.started_at
    return Span(
        id=uuid7(),
        run=run,
        kind=SpanKind.ERASURE,
        origin=SpanOrigin.ENFORCED,
        status=SpanStatus.OK,
        name=_("Erased: %(what)s") % {"what": what},
        actor_name=by[:200],
        note=_("on %(day)s by %(by)s") % {"day": f"{at:%Y-%m-%d}", "by": why if is_rule else by},
        started_at=moment,
        ended_at=moment,
        attributes={"what": what, "why": why, "is_rule": is_rule, "at": rfc3339(at)},
    )


def write(spans: Sequence[Span]) -> None:
    """In the transaction of the erasure."""
    for span in spans:
        span.name, span.note = span.name[:200], span.note[:300]
    Span.objects.bulk_create(spans)


def erasure_told(step: Span, *, quotes: bool) -> Sentence:
    """The sentence of a run's story. The words of people are for people."""
    told = step.attributes
    at = dt.datetime.fromisoformat(told["at"])
    if told["is_rule"]:
        words = _("Because of %(rule)s, the console erased %(what)s on %(day)s.")
        text = words % {"rule": told["why"], "what": told["what"], "day": f"{at:%Y-%m-%d}"}
    else:
        text = _("%(by)s had %(what)s erased.") % {"by": step.actor_name, "what": told["what"]}
        text += f" “{told['why']}”." if quotes else ""
    return Sentence(at, SpanKind.ERASURE, text, actor=step.actor_name, rank=0, is_after_end=True, is_sum=True)
