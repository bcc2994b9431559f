"""One call in sentences: asked for, decided, agreed to by people, carried out, found out about, undone."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.core.money import Money
from apps.runs.causes import cause_of
from apps.runs.facts import AskTold, CallTold, RuleTold, VoteTold
from apps.runs.models import Span, SpanKind, SpanStatus
from apps.runs.sentences import Sentence
from apps.runs.wording import MINUTE, between, enumerated, is_wait, length

OPEN = ("awaiting_approval", "queued", "executing")


class Details:
    """The steps that say more than a call's row, by call; and the moment of the telling."""

    def __init__(self, steps: Sequence[Span], now: dt.datetime) -> None:
        self.now = now
        self._steps: dict[UUID | None, list[Span]] = defaultdict(list)
        for step in steps:
            self._steps[step.tool_call_id].append(step)

    def of(self, call: CallTold, *kinds: SpanKind) -> list[Span]:
        return [step for step in self._steps[call.id] if step.kind in kinds]


def at_length(call: CallTold, details: Details) -> list[Sentence]:
    """Everything that is known of it, in the order it happened."""
    return [
        *_asked(call),
        *_people(call, details),
        *_tries(call, details),
        *_end(call, details),
        *_findings(call),
    ]


def briefly(call: CallTold, details: Details) -> Sentence:
    """The same in one sentence: what, on whose word, and how it ended."""
    votes = [vote for ask in call.asks for vote in ask.votes if vote.withdrawn_at is None]
    agreed = enumerated(list(dict.fromkeys(vote.by for vote in votes if vote.verdict == "approve")))
    ending = _ending(call)
    who = _("%(agent)s: %(what)s.") % {"agent": call.agent, "what": call.sentence}
    words = " ".join(
        part for part in (who, _("Approved by %(who)s.") % {"who": agreed} if agreed else "", ending) if part
    )
    return _sentence(call, call.finished_at or call.requested_at, "tool", words, is_bad=_went_wrong(call), rank=1)


def _sentence(
    call: CallTold,
    at: dt.datetime,
    kind: str,
    text: str,
    *,
    actor: str = "",
    detail: str = "",
    with_money: bool = False,
    money: Money | None = None,
    is_bad: bool = False,
    rank: int = 1,
) -> Sentence:
    told = money or (call.money if with_money else None)
    return Sentence(
        at=at,
        kind=kind,
        text=text,
        actor=actor or call.agent,
        detail=detail,
        moneys=(told,) if told else (),
        url=call.url,
        is_bad=is_bad,
        rank=rank,
    )


def _went_wrong(call: CallTold) -> bool:
    return cause_of(call.state, call.error_code) is not None


def _rules(rules: tuple[RuleTold, ...]) -> str:
    """The rules in their own words, each with its name and version."""
    return enumerated(
        [
            _("“%(says)s” (rule %(id)s, version %(version)s)")
            % {"says": rule.says or rule.id, "id": rule.id, "version": rule.version}
            for rule in rules
        ]
    )


def _asked(call: CallTold) -> list[Sentence]:
    """What was wanted, and what policy said."""
    if call.undoes:
        wanted = _("To undo “%(tool)s”, it asked for leave: %(what)s.") % {"tool": call.undoes, "what": call.asked}
    elif call.is_read:
        wanted = _("It asked to look something up in %(system)s: %(what)s.") % {
            "system": call.system,
            "what": call.asked,
        }
    else:
        wanted = _("It asked for leave to do this in %(system)s: %(what)s.") % {
            "system": call.system,
            "what": call.asked,
        }
    told = [_sentence(call, call.requested_at, "agent", wanted, money=call.asked_money)]
    rules = _rules(call.rules)
    if call.outcome == "allow":
        words = _("Policy allowed it without asking anybody: %(rules)s.") % {"rules": rules}
        told.append(_sentence(call, call.requested_at, "decision", words, rank=2))
    elif call.outcome == "require_approval":
        words = _("Policy wanted people to agree first: %(rules)s.") % {"rules": rules}
        told.append(_sentence(call, call.requested_at, "decision", words))
    elif call.outcome == "deny":
        said = call.error_sentence[:1].lower() + call.error_sentence[1:].rstrip(".")
        words = _("Policy refused it at once: %(rules)s.") % {"rules": rules or said}
        told.append(_sentence(call, call.requested_at, "decision", words, is_bad=True, rank=0))
    elif call.state == "denied":  # by what is looked at before policy: a budget, a rate, a run that goes in circles
        words = _("It was refused at once. %(said)s") % {"said": call.error_sentence}
        told.append(_sentence(call, call.requested_at, "decision", words, is_bad=True, rank=0))
    return told


def _people(call: CallTold, details: Details) -> list[Sentence]:
    """Who was asked, who answered when, and how long it took."""
    told = [
        _sentence(call, step.started_at, "decision", f"{step.name}.", actor=step.actor_name, rank=0)
        for step in details.of(call, SpanKind.DECISION)
    ]
    for number, ask in enumerate(call.asks):
        told.append(_question(call, ask, is_again=number > 0))
        told += _votes(call, ask)
    for step in details.of(call, SpanKind.HUMAN_WAIT):
        if step.started_at == step.ended_at:  # a moment: handed on, brought before others, taken back
            told.append(_sentence(call, step.started_at, "human_wait", f"{step.name}.", actor=step.actor_name, rank=2))
    return sorted(told, key=lambda one: one.at)


def _question(call: CallTold, ask: AskTold, *, is_again: bool) -> Sentence:
    chain = [
        ngettext("one person of %(team)s", "%(n)s people of %(team)s", stage.quorum)
        % {"n": stage.quorum, "team": stage.team}
        for stage in ask.stages
    ]
    who = _(", then ").join(chain)
    words = _("The changed request was put before %(who)s.") if is_again else _("It was put before %(who)s.")
    is_open = ask.state in ("pending", "changes_requested")
    limit = (_("They have %(time)s to answer.") if is_open else _("They had %(time)s to answer.")) % {
        "time": between(ask.requested_at, ask.expires_at)
    }
    return _sentence(call, ask.requested_at, "human_wait", f"{words % {'who': who}} {limit}", rank=2)


def _votes(call: CallTold, ask: AskTold) -> list[Sentence]:
    since = ask.requested_at
    told = []
    for vote in ask.votes:
        told.append(_vote(call, ask, vote, since, is_last=vote is ask.votes[-1]))
        if vote.verdict == "approve":
            since = vote.at
    return told


def _vote(call: CallTold, ask: AskTold, vote: VoteTold, since: dt.datetime, *, is_last: bool) -> Sentence:
    verbs = {
        "approve": _("%(by)s (%(team)s) approved it after %(time)s"),
        "reject": _("%(by)s (%(team)s) rejected it after %(time)s"),
        "request_changes": _("%(by)s (%(team)s) asked for changes after %(time)s"),
    }
    words = verbs[vote.verdict] % {"by": vote.by, "team": vote.team, "time": between(since, vote.at)}
    words += f": {vote.reason.lower()}." if vote.reason and vote.verdict != "approve" else "."
    if is_last and ask.state == "approved":
        words += " " + _("With that everybody needed had agreed.")
    if is_last and ask.resolved_at is not None:
        words += _waited(ask, ask.resolved_at, is_told=len(ask.votes) > 1)
    is_bad = vote.verdict == "reject"
    return _sentence(call, vote.at, "vote", words, actor=vote.by, is_bad=is_bad, rank=0 if is_bad else 1)


def _waited(ask: AskTold, until: dt.datetime, *, is_told: bool) -> str:
    """How long people were waited for, and how much of that in their working hours where that is another number."""
    waited = (until - ask.requested_at).total_seconds()
    is_other = ask.working_seconds is not None and abs(waited - ask.working_seconds) >= MINUTE
    if is_other:
        return " " + _("In all it waited %(time)s for people, %(work)s of it in their working hours.") % {
            "time": length(waited),
            "work": length(ask.working_seconds or 0),
        }
    return " " + _("In all it waited %(time)s for people.") % {"time": length(waited)} if is_told else ""


def _tries(call: CallTold, details: Details) -> list[Sentence]:
    """What stood between leave and effect: a system that did not answer, attempts that came to nothing, lookups."""
    told = []
    if call.queued_at is not None and is_wait(call.queued_at, call.executing_at or details.now):
        words = _("%(system)s was not answering, so it waited %(time)s for its turn.") % {
            "system": call.system,
            "time": between(call.queued_at, call.executing_at or call.finished_at or details.now),
        }
        told.append(_sentence(call, call.queued_at, "queue", words))
    failed = [one for one in details.of(call, SpanKind.TOOL) if one.status == SpanStatus.ERROR]
    if call.state == "failed" and failed and not call.findings:
        failed = failed[:-1]  # the last one is told as the end
    if failed:
        words = ngettext(
            "The first attempt brought no clear answer. %(said)s",
            "%(n)s attempts brought no clear answer. The last time: %(said)s",
            len(failed),
        ) % {"n": len(failed), "said": _said(failed[-1])}
        told.append(_sentence(call, failed[-1].ended_at or failed[-1].started_at, "tool", words, is_bad=True))
    return told + _lookups(call, details)


def _said(step: Span) -> str:
    """What was said of the attempt, without what the product then did about it."""
    return step.note.removesuffix("Trying to find out.").strip()


def _lookups(call: CallTold, details: Details) -> list[Sentence]:
    told = []
    lookups = details.of(call, SpanKind.LOOKUP)
    if lookups:
        last = lookups[-1]
        found = {
            SpanStatus.OK: _("%(system)s was asked whether it had happened, and it had."),
            SpanStatus.UNKNOWN: _("%(system)s was asked whether it had happened, and could not say."),
        }.get(SpanStatus(last.status), _("%(system)s was asked whether it had happened, and it had not."))
        told.append(_sentence(call, last.ended_at or last.started_at, "lookup", found % {"system": call.system}))
    doubts = details.of(call, SpanKind.TOOL, SpanKind.LOOKUP)
    if any(one.status == SpanStatus.UNKNOWN for one in doubts):
        at = next(one.ended_at or one.started_at for one in doubts if one.status == SpanStatus.UNKNOWN)
        words = _("Whether it happened could not be found out by asking. It was not tried again; a person had to look.")
        told.append(_sentence(call, at, "tool", words, is_bad=True, rank=0, with_money=True))
    return told


def _end(call: CallTold, details: Details) -> list[Sentence]:
    """How it ended, unless that was a person's finding."""
    if call.findings and call.state in ("succeeded", "failed", "outcome_unknown", "compensated"):
        return []
    if call.state in ("outcome_unknown", *OPEN):
        return [_sentence(call, details.now, "human_wait", words)] if (words := _waiting(call)) else []
    at = call.finished_at or call.requested_at
    is_done = call.state in ("succeeded", "compensated")
    kind = "tool" if is_done else {"halted": "halt"}.get(call.state, "event")
    detail = ""
    if is_done and not call.is_read:
        detail = _("It was sent under the key %(key)s, so that it cannot happen twice.") % {"key": call.key}
    return [
        _sentence(
            call,
            at,
            kind,
            _ending(call),
            detail=detail,
            with_money=is_done,
            is_bad=_went_wrong(call),
            rank=0,
            actor=call.system,
        )
    ]


def _waiting(call: CallTold) -> str:
    missing = [stage.team for ask in call.asks[-1:] for stage in ask.stages if stage.passed_at is None]
    return {
        "awaiting_approval": _("The answer of %(teams)s is still missing.") % {"teams": enumerated(missing)},
        "queued": _("It has leave and waits for its turn."),
        "executing": _("It is being carried out right now."),
    }.get(call.state, "")


def _ending(call: CallTold) -> str:
    """The end in one sentence."""
    said = f"{call.error_sentence} " if call.error_sentence else ""
    if call.state in ("succeeded", "compensated"):
        tries = ngettext("", " on attempt %(n)s", call.attempt_count) % {"n": call.attempt_count}
        if call.is_read:
            return _("%(system)s answered%(tries)s.") % {"system": call.system, "tries": tries}
        if call.record:
            return _("%(system)s carried it out%(tries)s and recorded it as %(record)s.") % {
                "system": call.system,
                "tries": tries,
                "record": call.record,
            }
        return _("%(system)s carried it out%(tries)s.") % {"system": call.system, "tries": tries}
    words = {
        "denied": _("%(system)s was never contacted. Nothing was done.") % {"system": call.system},
        "rejected": _("So it was not carried out. Nothing was done."),
        "expired": _expired(call),
        "cancelled": _("%(agent)s took the request back before anything was done.") % {"agent": call.agent},
        "halted": _("A stop turned it away. Nothing was done."),
        "invalidated": _("%(said)sIt was no longer what people had agreed to, so nothing was done.") % {"said": said},
        "failed": _("It failed. %(said)s%(system)s did nothing.") % {"said": said, "system": call.system},
        "outcome_unknown": _("Nobody knows yet whether it happened."),
    }
    return words.get(call.state) or _waiting(call)


def _expired(call: CallTold) -> str:
    if call.error_code == "run_time_over" or not call.asks:
        return _("Its time ran out before it was carried out. Nothing was done.")
    ask = call.asks[-1]
    words = _("Nobody decided within %(time)s, so the request lapsed. Silence is never consent: nothing was done.")
    return words % {"time": between(ask.requested_at, call.finished_at or ask.expires_at)}


def _findings(call: CallTold) -> list[Sentence]:
    words = {
        "happened": _("%(by)s looked into it and found that it did happen: the record is %(reference)s."),
        "did_not_happen": _("%(by)s looked into it and found that it did not happen."),
        "still_unknown": _("%(by)s looked into it and could not tell."),
    }
    return [
        _sentence(
            call,
            one.at,
            "resolution",
            words[one.finding] % {"by": one.by, "reference": one.reference},
            actor=one.by,
            with_money=one.finding == "happened",
            rank=0,
            is_bad=one.finding == "did_not_happen",
        )
        for one in call.findings
    ]


def undone(call: CallTold, details: Details) -> list[Sentence]:
    """That it was taken back later."""
    if call.undone is None:
        return []
    by = next((step.actor_name for step in details.of(call, SpanKind.COMPENSATION)), call.agent)
    words = _("Undone, as %(by)s had asked: “%(what)s”, by “%(tool)s”.") % {
        "by": by,
        "what": call.sentence,
        "tool": call.undone.tool,
    }
    return [
        Sentence(
            call.undone.at,
            "compensation",
            words,
            actor=by,
            moneys=(call.money,) if call.money else (),
            url=reverse("run", args=[call.undone.run_id]),
            is_after_end=True,
        )
    ]
