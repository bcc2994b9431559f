"""A run as sentences that somebody reads who never saw the product: who wanted what, who said yes or no, what happened,
what it cost, how it ended and why. Made from what is stored; nothing in it is anybody's summary.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.actor import Actor
from apps.runs.causes import cause_of_run
from apps.runs.erasures import erasure_told
from apps.runs.facts import CallTold, Facts, FoldTold, HaltTold, UnwindTold, above
from apps.runs.models import Run, RunState, Span, SpanKind
from apps.runs.queries import EXTENDED, HELD, RELEASED, acts_on, story_steps
from apps.runs.sentences import Sentence, capitalised
from apps.runs.steps import sources
from apps.runs.story_of_calls import Details, at_length, briefly, undone
from apps.runs.wording import amounts, between, enumerated, is_wait

MOST_SENTENCES = 15
STATE_WORDS = {
    "succeeded": "done",
    "failed": "failed",
    "denied": "refused by policy",
    "rejected": "rejected",
    "expired": "expired",
    "cancelled": "taken back",
    "halted": "stopped",
    "invalidated": "invalidated",
    "outcome_unknown": "of unknown outcome",
    "compensated": "undone",
    "awaiting_approval": "waiting for people",
    "queued": "waiting",
    "executing": "under way",
}


@dataclass(frozen=True, slots=True)
class Story:
    """The sentences in the order of time."""

    run: Run
    sentences: list[Sentence]

    @property
    def text(self) -> str:
        """The same as plain text, under a head that says whose it is and in which zone its times are."""
        return "\n".join([*self._head(), "", *self._lines()]) + "\n"

    def _head(self) -> list[str]:
        run, start = self.run, timezone.localtime(self.run.started_at)
        state = run.get_state_display().lower()
        where = f"{run.process.name}, {run.get_environment_display().lower()}"
        return [run.title, f"{where} · {state} · {start:%Y-%m-%d}, {start.tzname()}"]

    def _lines(self) -> Iterable[str]:
        day = timezone.localtime(self.run.started_at).date()
        for sentence in self.sentences:
            at = timezone.localtime(sentence.at)
            if at.date() != day:
                day = at.date()
                yield f"{day:%Y-%m-%d}"
            yield f"{at:%H:%M:%S}  {sentence.text}" + (f" {sentence.detail}" if sentence.detail else "")


def story_for(actor: Actor, run: Run) -> Story:
    """The story of a run that this actor sees, in the words they may read: operators' own are not for agents."""
    acts = [_act(act, quotes=not actor.is_agent) for act in acts_on(run)]
    halts = [one for halt in above().halts(actor, run) for one in _halt(run, halt)]
    told = [one for source in sources() for one in source.sentences(actor, run)]
    steps = story_steps(run)
    erased = [erasure_told(step, quotes=not actor.is_agent) for step in steps if step.kind == SpanKind.ERASURE]
    return story_of(run, above().facts(actor, run), steps, [*acts, *halts, *told, *erased], now=clock.now())


def story_of(
    run: Run, facts: Facts, steps: Sequence[Span], acts: Sequence[Sentence] = (), *, now: dt.datetime
) -> Story:
    """A pure function of what is stored; `acts` are what was done to the run as a whole, and what agents say. What does
    not fit into fifteen sentences is told in fewer words; what is left out even so is counted.
    """
    details = Details(steps, now)
    told = [at_length(call, details) for call in facts.calls]
    frame = (_beginning(run, facts), _end(run, facts, now))
    around = [
        *acts,
        *(_fold(fold) for fold in facts.folds),
        *(one for unwind in facts.unwinds for one in _unwind(unwind)),
        *_hand_overs(facts.calls),
        *(one for call in reversed(facts.calls) for one in undone(call, details)),
    ]
    room = MOST_SENTENCES - len(frame) - len(around)
    for index in _least_notable_first(facts.calls):
        if sum(map(len, told)) <= room:
            break
        told[index] = [briefly(facts.calls[index], details)]
    middle = sorted([*around, *(one for sentences in told for one in sentences)], key=lambda one: (one.at, one.is_sum))
    return Story(run, _framed(run, frame, _shortened(run, middle, MOST_SENTENCES - len(frame))))


def _framed(run: Run, frame: tuple[Sentence, Sentence], middle: list[Sentence]) -> list[Sentence]:
    """The beginning first and the end last, whatever the clocks of two nodes say; after it only what was undone."""
    first, last = frame
    later = [one for one in middle if one.is_after_end and not run.is_open and one.at >= last.at]
    return [first, *(one for one in middle if one not in later), last, *later]


def _least_notable_first(calls: Sequence[CallTold]) -> list[int]:
    def weight(index: int) -> int:
        call = calls[index]
        return len(call.asks) + 2 * len(call.findings) + (call.undone is not None) + (call.state != "succeeded")

    return sorted(range(len(calls)), key=weight)


def _shortened(run: Run, sentences: list[Sentence], most: int) -> list[Sentence]:
    """The more important ones where there are too many, and how many were left out."""
    if len(sentences) <= most:
        return sentences
    kept = sorted(sorted(sentences, key=lambda one: (one.rank, one.at))[: most - 1], key=lambda one: one.at)
    left = len(sentences) - len(kept)
    words = ngettext(
        "%(n)s more thing happened, which the timeline tells.",
        "%(n)s more things happened, which the timeline tells.",
        left,
    ) % {"n": left}
    url = f"{reverse('run', args=[run.id])}?view=timeline"
    return [*kept, Sentence(kept[-1].at, "event", words, url=url)]


def _beginning(run: Run, facts: Facts) -> Sentence:
    agent, where = (
        run.opened_by.name,
        _("in %(process)s, %(environment)s")
        % {
            "process": run.process.name,
            "environment": run.get_environment_display().lower(),
        },
    )
    about = _(", about %(key)s") % {"key": run.business_key} if run.business_key not in ("", run.title) else ""
    if run.business_key and run.business_key in run.title:
        about = ""
    words = _("%(agent)s, an automated agent %(where)s, began this work: “%(title)s”%(about)s.") % {
        "agent": agent,
        "where": where,
        "title": run.title,
        "about": about,
    }
    url = ""
    if facts.undoes is not None:
        other, title = facts.undoes
        words = _("%(agent)s began to undo an earlier piece of work: “%(title)s”.") % {"agent": agent, "title": title}
        url = reverse("run", args=[other])
    return Sentence(run.started_at, "agent", words, actor=agent, url=url)


def _hand_overs(calls: Sequence[CallTold]) -> list[Sentence]:
    """Where another agent goes on."""
    told, seen = [], None
    for call in calls:
        if seen not in (None, call.agent) and not call.undoes:
            words = _("%(next)s went on from where %(before)s had left it.") % {"next": call.agent, "before": seen}
            told.append(Sentence(call.requested_at, "agent", words, actor=call.agent, rank=2))
        seen = call.agent
    return told


def _fold(fold: FoldTold) -> Sentence:
    counts = enumerated(
        [f"{fold.counts[state]} {_(word)}" for state, word in STATE_WORDS.items() if state in fold.counts]
    )
    words = _("%(agent)s asked %(n)s times for the same kind of thing from %(system)s, “%(tool)s”: %(counts)s.") % {
        "agent": fold.agent,
        "n": fold.count,
        "system": fold.system,
        "tool": fold.tool,
        "counts": counts,
    }
    if is_wait(fold.first_at, fold.last_at):
        words = f"{words[:-1]}, " + _("over %(time)s.") % {"time": between(fold.first_at, fold.last_at)}
    if fold.moved:
        words += " " + _("Together that moved %(money)s.") % {"money": amounts(fold.moved)}
    return Sentence(fold.first_at, "tool", words, actor=fold.agent, moneys=fold.moved, rank=1)


def _act(act: AuditEntry, *, quotes: bool) -> Sentence:
    """What was done with the run as a whole."""
    words = {
        EXTENDED: _("%(by)s gave the work more time."),
        HELD: _("The work asked for the same thing again and again and was held until somebody had looked."),
        RELEASED: _("%(by)s let it go on."),
    }[act.code] % {"by": act.actor_name}
    quoted = f" “{act.reason}”." if act.reason and quotes and act.code != HELD else ""
    return Sentence(act.at, "event", words + quoted, actor=act.actor_name, is_bad=act.code == HELD, rank=0)


def _halt(run: Run, halt: HaltTold) -> list[Sentence]:
    what = {
        "drain": _("%(by)s stopped new work of “%(scope)s”; what had begun was to finish. Reason: %(reason)s."),
        "hold": _("%(by)s put a hold on “%(scope)s”: from then on nothing of it was carried out. Reason: %(reason)s."),
        "stop": _("%(by)s stopped “%(scope)s” for good: what was waiting ended. Reason: %(reason)s."),
    }[halt.mode] % {"by": halt.by, "scope": halt.scope, "reason": halt.reason.lower()}
    quoted = f" “{halt.words}”." if halt.words else ""
    if halt.at < run.started_at:
        what = _("Before this began: %(what)s") % {"what": what}
    told = [Sentence(halt.at, "halt", what + quoted, actor=halt.by, url=halt.url, is_bad=True, rank=0)]
    if halt.ended_at is not None:
        spent = between(halt.at, halt.ended_at)
        if halt.lifted_by:
            words = _("%(by)s lifted this after %(time)s; work could go on.") % {"by": halt.lifted_by, "time": spent}
        else:
            words = _("The time of this ran out after %(time)s; work could go on.") % {"time": spent}
        quoted = f" “{halt.lift_words}”." if halt.lift_words else ""
        told.append(Sentence(halt.ended_at, "halt", words + quoted, actor=halt.lifted_by, url=halt.url, rank=0))
    return told


def _unwind(unwind: UnwindTold) -> list[Sentence]:
    url = reverse("run", args=[unwind.own_run_id])
    begun = _("%(by)s had this work undone, the last step first.") % {"by": unwind.by}
    told = [Sentence(unwind.at, "compensation", begun, actor=unwind.by, url=url, rank=0, is_after_end=True)]
    if unwind.ended_at is None:
        return told
    done = ngettext("%(n)s action was undone", "%(n)s actions were undone", unwind.undone_count) % {
        "n": unwind.undone_count
    }
    money = f" ({amounts(unwind.undone)})" if unwind.undone else ""
    if unwind.state == "done":
        left = ngettext("%(n)s cannot be undone and stays.", "%(n)s cannot be undone and stay.", unwind.left_count) % {
            "n": unwind.left_count
        }
        words = f"{done}{money}. " + (left if unwind.left_count else _("Nothing of it is left."))
    else:
        words = f"{done}{money}. {unwind.sentence}"
    is_bad = unwind.state != "done"
    told.append(
        Sentence(
            unwind.ended_at,
            "compensation",
            capitalised(words),
            moneys=unwind.undone,
            url=url,
            is_bad=is_bad,
            rank=0,
            is_after_end=True,
            is_sum=True,
        )
    )
    return told


def _end(run: Run, facts: Facts, now: dt.datetime) -> Sentence:
    spent = between(run.started_at, run.ended_at or now)
    outcome = {
        RunState.OPEN: _("The work is still under way, after %(time)s."),
        RunState.SUCCEEDED: _("The work was finished successfully after %(time)s."),
        RunState.FAILED: _("The work ended without success after %(time)s."),
        RunState.CANCELLED: _("The work was called off after %(time)s."),
        RunState.HALTED: _("The work was ended by a stop after %(time)s."),
        RunState.TIMED_OUT: _("The time allowed for the work was over after %(time)s."),
    }[RunState(run.state)] % {"time": spent}
    why = _why(run, facts)
    words = " ".join(part for part in (outcome, why, _balance(facts)) if part)
    is_bad = run.state not in (RunState.OPEN, RunState.SUCCEEDED)
    # of one whose outcome a person found out, the end is known since then
    found = [one.at for call in facts.calls for one in call.findings if one.finding != "still_unknown"]
    at = now if run.ended_at is None else max([run.ended_at, *found])
    return Sentence(at, "event", words, moneys=facts.totals.moved, is_bad=is_bad)


def _why(run: Run, facts: Facts) -> str:
    """In a word of the taxonomy."""
    cause = cause_of_run(run, facts.calls)
    return _("Why: %(cause)s.") % {"cause": str(cause.label).lower()} if cause else ""


def _balance(facts: Facts) -> str:
    """What it came to: what was carried out and what it moved, per currency; what is undone, open or in doubt."""
    counts = facts.totals.write_counts
    done, taken_back = counts.get("succeeded", 0), counts.get("compensated", 0)
    unknown = counts.get("outcome_unknown", 0)
    if not facts.totals.counts:
        return _("Nothing was asked for.")
    parts = []
    if done:
        words = ngettext("%(n)s action was carried out", "%(n)s actions were carried out", done) % {"n": done}
        parts.append(words + (f" ({amounts(facts.totals.moved)})" if facts.totals.moved else ""))
    if taken_back:
        words = ngettext(
            "%(n)s action was carried out and undone later",
            "%(n)s actions were carried out and undone later",
            taken_back,
        ) % {"n": taken_back}
        parts.append(words + (f" ({amounts(facts.totals.undone)})" if facts.totals.undone else ""))
    if unknown:
        parts.append(
            ngettext(
                "of %(n)s nobody knows whether it happened", "of %(n)s nobody knows whether they happened", unknown
            )
            % {"n": unknown}
        )
    if not parts:
        waits = any(facts.totals.counts.get(state) for state in ("awaiting_approval", "queued", "executing"))
        return _("Nothing has been changed so far.") if waits else _("Nothing was changed.")
    return capitalised(enumerated(parts)) + "."
