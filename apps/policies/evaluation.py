"""The decision itself: facts of a call and the active releases in, a verdict out. Pure: no clock, no database, no
randomness.

Whatever cannot be read, built or evaluated denies. Cedar skips a `forbid` whose condition errs and would allow the
call, so an error in any policy of any set is a denial.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any

from cedarpy import Decision, Entities, PolicySet, is_authorized

from apps.core.memory import BoundedCache
from apps.policies.arguments import Misfit, as_long, carry
from apps.policies.detectors import PREFIX
from apps.policies.heads import Member, member
from apps.policies.irreversible import NEVER_ALONE, never_alone
from apps.policies.lifting import excepted
from apps.policies.obligations import strictest, with_redactions
from apps.policies.parameters import ParameterTypes
from apps.policies.partial import Given, is_ruled_out
from apps.policies.releases import (
    LoadedRelease,
    Terms,
    cache_release,
    cached_release,
    content_hash,
    is_panic,
    load_release,
)
from apps.policies.schema import action_groups, argument_shape, decision_schema
from apps.policies.verdicts import CallFacts, Obligations, Outcome, ReleaseRef, Verdict, floor_confidence

__all__ = [
    "LoadedRelease",
    "cache_release",
    "cached_release",
    "content_hash",
    "decide",
    "load_release",
    "missing_detectors",
    "replay",
]

NO_RELEASE = "No policies are released for this process in this environment, and without policies nothing is allowed."

# What denies here is no rule: the release has to be mended, and the same call can be made again afterwards.
UNREADABLE = "policies_unreadable"
# A permit that demands what cannot be done here permits nothing: the answer of the system is not known beforehand.
REDACTION_UNAVAILABLE = "redaction_unavailable"
NO_DETECTOR = "Policy demands that what %s finds is masked, and no such detector is installed."

# Counted in policies. One that Cedar has parsed weighs some eight kilobytes, its text some three hundred bytes: at most
# 80 MB and 30 MB in a process. What a mesh asks every day is a tenth of that.
MOST_PARSED = 10_000
MOST_SPEAKING = 100_000

# Of a name in a sentence that is kept.
MAX_NAME_LENGTH = 80

_surroundings: BoundedCache[tuple[Any, ...], Surroundings] = BoundedCache(2_000)
_speaking: BoundedCache[tuple[ReleaseRef, tuple[Any, ...], str], Speaking] = BoundedCache(
    MOST_SPEAKING, weigh=lambda speaking: 1 + len(speaking.terms)
)
_parsed: BoundedCache[str, PolicySet] = BoundedCache(MOST_PARSED, weigh=lambda policies: 1 + len(policies))
# Requests that their schema took, by all it looked at. Each weighs as its text is long, or an agent that sends large
# arguments, each time without another field, would fill the memory: some 40 MB at most, and 3,000 ordinary forms.
MOST_FITTING = 2_000_000
_fitting: BoundedCache[tuple[Any, ...], int] = BoundedCache(MOST_FITTING, weigh=lambda length: length)

_EVALUATION_ERROR = re.compile(r"error while evaluating policy `policy([0-9]+)`: (.*)", re.DOTALL)
_HALF_A_LETTER = re.compile("[\ud800-\udfff]")
_MISSING_ATTRIBUTE = re.compile(r"does not have the attribute `([^`]*)`")


def decide(facts: CallFacts, releases: Sequence[LoadedRelease]) -> Verdict:
    """Decide one call under these releases. Never raises for anything a call or a stored release may contain."""
    verdict = _decide(facts, releases)
    return excepted(facts, releases, verdict, _decide) if facts.exceptions else verdict


def _decide(facts: CallFacts, releases: Sequence[LoadedRelease]) -> Verdict:
    ordered = sorted(releases, key=lambda release: release.ref.set)
    refs = tuple(release.ref for release in ordered)
    if not ordered:
        return Verdict("deny", (), Obligations(), refs, (NO_RELEASE,), facts.as_json())
    try:
        question = _question(facts)
    except Misfit as misfit:
        sentence = f"The call cannot be weighed against policies: {misfit}."
        return Verdict("deny", (), Obligations(), refs, (sentence,), facts.as_json())
    answers = _answers(ordered, question)
    outcome, determining, obligations = _weigh(answers)
    errors = tuple(error for answer in answers for error in answer.errors)
    policies = tuple(terms.ref for terms in determining)
    if outcome == "allow" and (stricter := never_alone(facts)) is not None:
        outcome, asked, errors = stricter
        obligations = with_redactions(asked, obligations.redact)
        policies = (*policies, NEVER_ALONE)
    if outcome != "deny" and (missing := missing_detectors(obligations.redact, facts.detectors)):
        errors = (NO_DETECTOR % ", ".join(missing),)
        return Verdict("deny", policies, Obligations(), refs, errors, facts.as_json(), REDACTION_UNAVAILABLE)
    code = UNREADABLE if any(release.problem for release in ordered) else ""
    return Verdict(outcome, policies, obligations, refs, errors, facts.as_json(), code)


def missing_detectors(names: Iterable[str], installed: Collection[str]) -> list[str]:
    """Of what a permit wants masked, the detectors that are not there."""
    return [name for name in names if name.startswith(PREFIX) and name not in installed]


def replay(stored: dict[str, Any], releases: Sequence[LoadedRelease]) -> Verdict:
    """Decide again from the `input` of a verdict. Under the same releases it equals that verdict (I11)."""
    return decide(CallFacts.from_json(stored), releases)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Agent, action and tool of a call with what they are in, for Cedar and for heads. `key` stands for all of it."""

    key: tuple[Any, ...]
    entities: Entities
    principal: Member
    action: Member
    resource: Member


@dataclass(frozen=True, slots=True)
class Speaking:
    """The policies of one release that may have a say in a call, in their order, with the parameters they read and the
    names of what else they read of the context, None for all of it.
    """

    release: ReleaseRef
    terms: tuple[Terms, ...]
    text: str
    parameter_types: ParameterTypes
    parameters_text: str
    reads: frozenset[str] | None = None

    @property
    def policies(self) -> PolicySet:
        known = _parsed.get(self.text)
        return known if known is not None else _parsed.put(self.text, PolicySet.from_str(self.text))


@dataclass(frozen=True, slots=True)
class _Question:
    """One call as Cedar reads it. Only `params` differ between sets, and are not in `context`, whose names and types
    are `form`.
    """

    facts: CallFacts
    surroundings: Surroundings
    context: dict[str, Any]
    form: Hashable

    def request(self, speaking: Speaking, *, is_whole: bool) -> dict[str, Any]:
        """With all of its context, or with what those policies read of it."""
        tool, context = self.facts.tool.name, self.context
        if not is_whole and speaking.reads is not None:
            context = {name: context[name] for name in speaking.reads if name in context}
        rest = f", {json.dumps(context)[1:]}" if context else "}"
        return {
            "principal": {"type": "Agent", "id": self.facts.agent},
            "action": {"type": "Action", "id": tool},
            "resource": {"type": "Tool", "id": tool},
            "context": f'{{"params": {speaking.parameters_text}{rest}',
        }


@dataclass(frozen=True, slots=True)
class _Answer:
    permits: tuple[Terms, ...] = ()
    forbids: tuple[Terms, ...] = ()
    errors: tuple[str, ...] = ()


def _weigh(answers: Iterable[_Answer]) -> tuple[Outcome, tuple[Terms, ...], Obligations]:
    """A forbid anywhere wins, an error anywhere denies, and somewhere something must permit."""
    answers = tuple(answers)
    forbids = tuple(terms for answer in answers for terms in answer.forbids)
    if forbids or any(answer.errors for answer in answers):
        return "deny", forbids, Obligations()
    permits = tuple(terms for answer in answers for terms in answer.permits)
    if not permits:
        return "deny", (), Obligations()
    obligations = strictest(terms.demand for terms in permits if terms.demand is not None)
    obligations = with_redactions(obligations, (name for terms in permits for name in terms.redact))
    return ("require_approval" if obligations.stages else "allow"), permits, obligations


def _answers(releases: Sequence[LoadedRelease], question: _Question) -> list[_Answer]:
    """What each set says. Only `params` differ between their requests, and those were checked when they were loaded. So
    one request is held against the schema for all of them, and of the others those with nothing to say are not asked.
    """
    answers = {release.ref: _Answer(errors=(release.problem,)) for release in releases if release.problem}
    asked = [_speaking_in(release, question) for release in releases if not release.problem]
    asked.sort(key=lambda speaking: not speaking.terms)
    for number, speaking in enumerate(asked):
        is_first = number == 0
        answer = _ask(speaking, question, is_checked=is_first) if speaking.terms or is_first else _Answer()
        if answer is None and is_first:
            answers |= {other.release: _Answer(errors=(_does_not_fit(other.release),)) for other in asked}
            break
        answers[speaking.release] = answer or _Answer(errors=(_does_not_fit(speaking.release),))
    return [answers[release.ref] for release in releases]


def _speaking_in(release: LoadedRelease, question: _Question) -> Speaking:
    around, tool = question.surroundings, question.facts.tool
    key = (release.ref, around.key, tool.definition_digest)
    known = _speaking.get(key)
    if known is not None:
        return known
    terms = tuple(
        terms for terms in release.terms if terms.head.covers(around.principal, around.action, around.resource)
    )
    if tool.definition_digest:
        given = Given(tool, release.parameters)
        terms = tuple(each for each in terms if not is_ruled_out(each.conditions, given))
    text = intern("\n".join(each.source for each in terms))
    read = release.parameters
    types = tuple((name, kind) for name, kind in read.types if any(each.may_read(name) for each in terms))
    values = json.dumps({name: read.values[name] for name, _ in types})
    names = [each.context for each in terms]
    reads = None if None in names else frozenset(name for some in names for name in some or ())
    return _speaking.put(key, Speaking(release.ref, terms, text, types, values, reads))


def _ask(speaking: Speaking, question: _Question, *, is_checked: bool) -> _Answer | None:
    """What these policies say; None where the call does not fit what they were written for.

    A schema looks at names and types only. A call of the same form as one that fitted is not held against it again, and
    then Cedar need not read more of it than the policies do.
    """
    tool = question.facts.tool
    looked_at = (tool.name, tool.definition_digest, question.surroundings.key, speaking.parameter_types, question.form)
    is_checked = is_checked and not (tool.definition_digest and _fitting.get(looked_at))
    request = question.request(speaking, is_whole=is_checked)
    try:
        schema = decision_schema(tool, speaking.parameter_types) if is_checked else None
        result = is_authorized(request, speaking.policies, question.surroundings.entities, schema)
    except (ValueError, TypeError):
        return None
    except BaseException as error:
        if not is_panic(error):
            raise
        return None
    if is_checked and result.decision is not Decision.NoDecision:
        _fitting.put(looked_at, len(request["context"]))
    # Cedar names its reasons in any order; a verdict must not depend on it
    positions = sorted(int(name.removeprefix("policy")) for name in result.diagnostics.reasons)
    reasons = tuple(speaking.terms[position] for position in positions)
    errors = tuple(sorted(_explain(message, speaking) for message in result.diagnostics.errors))
    if result.decision is Decision.Allow:
        return _Answer(permits=reasons, errors=errors)
    if result.decision is Decision.Deny:
        return _Answer(forbids=reasons, errors=errors)
    return None


def _does_not_fit(release: ReleaseRef) -> str:
    return f"The call does not fit what the policies {release} were written for, so they cannot decide it."


def _explain(message: str, speaking: Speaking) -> str:
    """A sentence without any value of the call: it is kept in plain text, and Cedar's message may quote arguments."""
    match = _EVALUATION_ERROR.fullmatch(message)
    if match is None or int(match[1]) >= len(speaking.terms):
        return f"The policies {speaking.release} could not be evaluated."
    policy, why = speaking.terms[int(match[1])].ref.id, match[2]
    if missing := _MISSING_ATTRIBUTE.search(why):
        because = f"it reads “{missing[1][:MAX_NAME_LENGTH]}”, which this call does not have"
    elif "overflow" in why:
        because = "a number in it became too large"
    elif "type error" in why:
        because = "it compares things of different types"
    elif "recursion" in why:
        because = "it is nested too deeply"
    else:
        because = "a value in it cannot be read"
    return f"Policy “{policy}” of {speaking.release} could not be evaluated: {because}."


def _question(facts: CallFacts) -> _Question:
    """The call in Cedar's terms. Raises Misfit where it has no exact form there."""
    tool = facts.tool
    context: dict[str, Any] = {
        "arguments": carry(facts.arguments, argument_shape(tool).record),
        "environment": facts.environment,
        "effect": tool.effect,
        "data_classes": tool.data_classes,
        "run": {
            "steps": as_long(facts.run_steps, "The number of steps"),
            "calls": as_long(facts.run_calls, "The number of calls"),
            "cost_minor": as_long(facts.run_cost_minor, "The cost of the run"),
        },
        "approved_by": facts.approved_by,
    }
    if tool.has_money:
        if facts.money is None:
            raise Misfit("the tool moves money, and the call names no amount")
        context["money"] = {"minor": as_long(facts.money.minor, "The amount"), "currency": facts.money.currency}
    if facts.confidence is not None:
        context["confidence"] = {"__extn": {"fn": "decimal", "arg": _decimal(facts)}}
    if facts.region is not None:
        context["region"] = facts.region
    if facts.customer_tier is not None:
        context["customer_tier"] = facts.customer_tier
    return _Question(facts, _surroundings_of(facts), context, _form(context))


def _form(value: Any) -> Hashable:
    """The names and types in a context, which are all that its schema asks about: the letters of a text and the size of
    a number never matter, but for halves of letters, which Cedar cannot read. A name in arguments comes from the tool's
    definition, so none of them is Cedar's own.
    """
    kind = type(value)
    if kind is str:
        return "str" if value.isascii() or _HALF_A_LETTER.search(value) is None else ("str", value)
    if kind is dict:
        if "__extn" in value:
            return ("__extn", value["__extn"]["fn"])
        return tuple([(name, _form(each)) for name, each in value.items()])
    if kind is list or kind is tuple:
        return frozenset(map(_form, value))
    return kind.__name__


def _decimal(facts: CallFacts) -> str:
    confidence = floor_confidence(facts.confidence or 0)
    if not confidence.is_finite() or not 0 <= confidence <= 1:
        raise Misfit("its confidence is not a number from 0 to 1")
    return f"{confidence:.4f}"


def _surroundings_of(facts: CallFacts) -> Surroundings:
    """The same few come again and again, so they are kept."""
    tool = facts.tool
    groups = action_groups(tool)
    key = (facts.agent, facts.process, facts.teams, tool.name, tool.connector, groups)
    known = _surroundings.get(key)
    if known is not None:
        return known
    principal = member("Agent", facts.agent, [("Process", facts.process), *(("Team", team) for team in facts.teams)])
    action = member("Action", tool.name, [("Action", group) for group in groups])
    resource = member("Tool", tool.name, [("Connector", tool.connector)])
    try:
        entities = Entities.from_json_str(json.dumps([_entity(each) for each in (principal, resource, action)]))
    except ValueError:
        raise Misfit("the agent or the tool has a name that policies cannot carry") from None
    return _surroundings.put(key, Surroundings(key, entities, principal, action, resource))


def _entity(of: Member) -> dict[str, Any]:
    kind, name = of.entity
    parents = [{"type": parent, "id": parent_name} for parent, parent_name in of.parents]
    return {"uid": {"type": kind, "id": name}, "attrs": {}, "parents": parents}
