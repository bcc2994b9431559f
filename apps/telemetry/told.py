"""What agents reported, in the story of a run: what helps whoever answers for it, and always as what an agent says."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from apps.core.actor import Actor
from apps.registry.models import Agent
from apps.runs.models import Run
from apps.runs.sentences import Sentence
from apps.runs.steps import ReportedUsage
from apps.runs.wording import enumerated
from apps.telemetry.matching import moment_of
from apps.telemetry.models import ReportedKind, ReportedSpan, UngovernedExecution
from apps.telemetry.queries import Usage, traces_of, usage_of_run
from apps.telemetry.reported_rows import UNGOVERNED

# More of one kind are counted in a sentence of their own.
MOST_TOOLS = 3
MOST_NAMES = 4
MOST_HANDOFFS = 1000
# What a hand-off is to, in the dialects that say so; others name the tool by which they hand over.
TO = ("gen_ai.handoff.to_agent", "handoff.to_agent", "graph.handoff.to")
BY_TOOL = ("transfer_back_to_", "transfer_to_", "handoff_to_", "hand_off_to_")


def sentences_of(actor: Actor, run: Run) -> list[Sentence]:
    """Models asked, work handed over, tools executed with no call behind them. At most seven queries."""
    traces = traces_of(run)
    if not traces:
        return []
    usage = usage_of_run(run)
    handoffs, actions = _handoffs(traces), _ungoverned(traces)
    ids = {*(usage.agent_ids if usage else ()), *(one.agent_id for one in handoffs), *(one.agent_id for one in actions)}
    names = dict(Agent.objects.filter(id__in=ids).values_list("id", "name")) if ids else {}
    told = [
        *([_models(run, usage, names)] if usage else []),
        *_handed_over(run, handoffs, names),
        *_without_call(run, actions, names),
    ]
    return [replace(one, at=_within(run, one.at)) for one in told]


def _within(run: Run, at: dt.datetime) -> dt.datetime:
    """An agent's clock is not ours, and its trace begins before its run: in the story it stands within."""
    return max(run.started_at, min(at, run.ended_at) if run.ended_at else at)


def _who(agent_ids: Collection[UUID], names: dict[UUID, str]) -> str:
    return enumerated(sorted(names[one] for one in agent_ids if one in names)) or _("An agent")


def _models(run: Run, usage: Usage, names: dict[UUID, str]) -> Sentence:
    """One for all of them: how often, which, how much, for what."""
    who = _who(usage.agent_ids, names)
    words = ngettext(
        "%(who)s says of itself that it asked a language model once",
        "%(who)s says of itself that it asked a language model %(n)s times",
        usage.model_calls,
    )
    if len(usage.agent_ids) > 1:
        words = _("%(who)s say of themselves that they asked language models %(n)s times")
    told = words % {"who": who, "n": usage.model_calls}
    if usage.models:
        told += f" ({_some(usage.models)})"
    return Sentence(
        usage.first_at,
        "model",
        f"{told}. {_tokens(usage)} {_cost(usage)}",
        actor=who,
        url=f"{reverse('run', args=[run.id])}?view=timeline&origin=reported&kind=model",
        rank=2,
        origin="reported",
    )


def usage_told(run: Run) -> ReportedUsage | None:
    """What the models of a run used, in a few words each; None where no model call was told."""
    usage = usage_of_run(run)
    if usage is None:
        return None
    tokens = _("%(given)s read, %(made)s written") % {
        "given": f"{usage.input_tokens:,}",
        "made": f"{usage.output_tokens:,}",
    }
    costs = ", ".join(cost.told(get_language() or "en") for cost in usage.costs)
    if usage.costs and usage.is_partly_unknown:
        costs = _("at least %(costs)s") % {"costs": costs}
    return ReportedUsage(
        tokens if usage.are_tokens_whole else _("at least %(tokens)s") % {"tokens": tokens}, costs or _("not known")
    )


def _tokens(usage: Usage) -> str:
    given, made = f"{usage.input_tokens:,}", f"{usage.output_tokens:,}"
    if not usage.input_tokens and not usage.output_tokens and not usage.are_tokens_whole:
        return _("How much it read and wrote is not known.")
    if usage.are_tokens_whole:
        words = _("That read %(given)s tokens and wrote %(made)s.")
    else:
        words = _("That read %(given)s tokens at least and wrote %(made)s at least.")
    return words % {"given": given, "made": made}


def _cost(usage: Usage) -> str:
    if not usage.costs:
        return _("What it cost is not known.")
    costs = enumerated([cost.told(get_language() or "en") for cost in usage.costs])
    if usage.is_partly_unknown:
        return _("It cost at least %(costs)s; what some of it cost is not known.") % {"costs": costs}
    return _("It cost %(costs)s.") % {"costs": costs}


def _some(names: Collection[str]) -> str:
    """The first few, and how many more."""
    shown, left = list(names)[:MOST_NAMES], len(names) - MOST_NAMES
    if left > 0:
        shown.append(ngettext("%(n)s more", "%(n)s more", left) % {"n": left})
    return enumerated(shown)


@dataclass(frozen=True, slots=True)
class _Handoff:
    agent_id: UUID
    at: dt.datetime
    to: str


def _handoffs(traces: list[UUID]) -> list[_Handoff]:
    spans = ReportedSpan.objects.filter(trace__in=traces, kind=ReportedKind.HANDOFF).order_by("started_ns", "span_id")
    rows = spans.values_list("agent_id", "started_ns", "tool_name", "attributes")[:MOST_HANDOFFS]
    return [_Handoff(agent, moment_of(started), _to(tool, attributes)) for agent, started, tool, attributes in rows]


def _to(tool: str, attributes: str) -> str:
    """Whom it was handed to; "" where nobody says."""
    for prefix in BY_TOOL:
        if tool.startswith(prefix):
            return tool.removeprefix(prefix)
    told: dict[str, Any] = json.loads(attributes or "{}")
    return next((str(told[name]) for name in TO if told.get(name)), "")


def _handed_over(run: Run, handoffs: list[_Handoff], names: dict[UUID, str]) -> list[Sentence]:
    """One for each agent that did so."""
    by_agent: dict[UUID, list[_Handoff]] = defaultdict(list)
    for one in handoffs:
        by_agent[one.agent_id].append(one)
    told = []
    for agent_id, given in by_agent.items():
        who, to = _who([agent_id], names), list(dict.fromkeys(f"“{one.to}”" for one in given if one.to))
        words = ngettext(
            "%(who)s says that it handed the work over",
            "%(who)s says that it handed the work over %(n)s times",
            len(given),
        ) % {"who": who, "n": len(given)}
        words += _(" to %(names)s.") % {"names": _some(to)} if to else "."
        told.append(Sentence(given[0].at, "handoff", words, actor=who, rank=2, origin="reported"))
    return told


@dataclass(frozen=True, slots=True)
class _Ungoverned:
    id: UUID
    agent_id: UUID
    tool: str
    at: dt.datetime
    count: int


def _ungoverned(traces: list[UUID]) -> list[_Ungoverned]:
    """Those of these traces alone, by the action that counts them: agent and tool."""
    found: dict[UUID, _Ungoverned] = {}
    executions = UngovernedExecution.objects.filter(trace__in=traces).order_by("at", "id")
    columns = ("action_id", "action__agent_id", "action__tool_name", "at")
    for action, agent, tool, at in executions.values_list(*columns):
        before = found.get(action)
        found[action] = _Ungoverned(action, agent, tool, before.at if before else at, before.count + 1 if before else 1)
    return list(found.values())


def _without_call(run: Run, actions: list[_Ungoverned], names: dict[UUID, str]) -> list[Sentence]:
    """The one thing of all this that somebody has to look into."""
    told = [
        Sentence(
            one.at,
            UNGOVERNED,
            ngettext(
                "%(who)s says that it executed “%(tool)s” on its own.",
                "%(who)s says that it executed “%(tool)s” %(n)s times on its own.",
                one.count,
            )
            % {"who": _who([one.agent_id], names), "tool": one.tool, "n": one.count}
            + " "
            + _("Nobody was asked and no rule was applied: an ungoverned action."),
            actor=_who([one.agent_id], names),
            url=reverse("ungoverned-action", args=[one.id]),
            is_bad=True,
            rank=0,
            origin="reported",
        )
        for one in actions[:MOST_TOOLS]
    ]
    if left := actions[MOST_TOOLS:]:
        words = ngettext(
            "It was the same with %(n)s other tool.", "It was the same with %(n)s other tools.", len(left)
        ) % {"n": len(left)}
        url = f"{reverse('run', args=[run.id])}?view=timeline&kind={UNGOVERNED}"
        told.append(Sentence(left[0].at, UNGOVERNED, words, url=url, is_bad=True, rank=0, origin="reported"))
    return told
