"""The decision itself: facts of a call and the active releases in, a verdict out. Pure: no clock, no database, no
randomness.

Whatever cannot be read, built or evaluated denies. Cedar skips a `forbid` whose condition errs and would allow the
call, so an error in any policy of any set is a denial.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from cedarpy import Decision, Entities, PolicySet, is_authorized, policies_to_json_str

from apps.core.canonical import digest
from apps.core.errors import Invalid
from apps.core.memory import BoundedCache
from apps.policies.arguments import Misfit, as_long, carry
from apps.policies.cedar_text import TextError, parse_error, statements
from apps.policies.detectors import PREFIX
from apps.policies.irreversible import NEVER_ALONE, never_alone
from apps.policies.lifting import excepted
from apps.policies.obligations import (
    DEFAULT_EXPIRES_SECONDS,
    Demand,
    parse_chain,
    parse_duration,
    parse_escalations,
    parse_redactions,
    strictest,
    with_redactions,
)
from apps.policies.parameters import Parameters, read_parameters
from apps.policies.schema import action_groups, argument_shape, decision_schema
from apps.policies.verdicts import (
    CallFacts,
    Obligations,
    Outcome,
    PolicyRef,
    ReleaseRef,
    ToolFacts,
    Verdict,
    floor_confidence,
)

NO_RELEASE = "No policies are released for this process in this environment, and without policies nothing is allowed."

# A permit that demands what cannot be done here permits nothing: the answer of the system is not known beforehand.
REDACTION_UNAVAILABLE = "redaction_unavailable"
NO_DETECTOR = "Policy demands that what %s finds is masked, and no such detector is installed."

_releases: BoundedCache[UUID, LoadedRelease] = BoundedCache(200)
_entities: BoundedCache[tuple[Any, ...], Entities] = BoundedCache(2_000)

_EVALUATION_ERROR = re.compile(r"error while evaluating policy `([^`]*)`: (.*)", re.DOTALL)
_MISSING_ATTRIBUTE = re.compile(r"does not have the attribute `([^`]*)`")


@dataclass(frozen=True, slots=True)
class Terms:
    """What stands on one policy. `demand` is what a permit asks of people, or None; `redact` what it wants masked."""

    position: int
    ref: PolicyRef
    demand: Demand | None
    redact: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadedRelease:
    """A release made ready to decide. Where `problem` is not empty it could not be, and everything it has a say in is
    denied.
    """

    ref: ReleaseRef
    policies: PolicySet | None = None
    terms: Mapping[str, Terms] = field(default_factory=dict)
    parameters: Parameters = field(default_factory=lambda: Parameters((), {}))
    parameters_text: str = "{}"
    problem: str = ""
    text: str = ""
    stored_parameters: Mapping[str, Any] = field(default_factory=dict)


def content_hash(text: str, parameters: dict[str, Any]) -> str:
    """What a release is: SHA-256 over canonical text and parameters. Raises Invalid for parameters JSON cannot carry
    exactly.
    """
    return digest({"text": text, "parameters": parameters})


def load_release(ref: ReleaseRef, *, text: str, parameters: dict[str, Any]) -> LoadedRelease:
    """Parse a stored release. Never raises: what cannot be read comes back with its `problem`."""
    try:
        return _load(ref, text, parameters)
    except (Invalid, TextError) as error:
        why = error.sentence
    except (ValueError, TypeError, RecursionError) as error:
        why = str(error)
    return LoadedRelease(ref, problem=f"The policies {ref} cannot be read, so nothing is allowed: {why}")


def _load(ref: ReleaseRef, text: str, parameters: dict[str, Any]) -> LoadedRelease:
    if content_hash(text, parameters) != ref.content_hash:
        raise ValueError("They are not what was released.")
    read, problems = read_parameters(parameters)
    if problems:
        raise ValueError(problems[0])
    for statement in statements(text):
        if flaw := parse_error(statement):
            raise flaw
    parsed = json.loads(policies_to_json_str(text))
    if parsed["templates"]:
        raise ValueError("They contain a template.")
    terms = {name: _terms(ref, name, policy) for name, policy in parsed["staticPolicies"].items()}
    made = LoadedRelease(ref, PolicySet.from_str(text), terms, read, json.dumps(read.values))
    return replace(made, text=text, stored_parameters=parameters)


def _load_lifted(ref: ReleaseRef, text: str, parameters: dict[str, Any]) -> LoadedRelease:
    """A release with rules lifted, under a hash of its own: what is remembered of it is not remembered of the other."""
    return load_release(replace(ref, content_hash=content_hash(text, parameters)), text=text, parameters=parameters)


def _terms(ref: ReleaseRef, name: str, policy: dict[str, Any]) -> Terms:
    annotations: dict[str, str] = {key: value or "" for key, value in policy.get("annotations", {}).items()}
    demand = _demand(annotations) if "approval" in annotations else None
    if not annotations.get("id") or not annotations.get("says"):
        raise ValueError("A policy in them has no @id or no @says.")
    said = PolicyRef(annotations["id"], ref.set, ref.version, annotations["says"])
    redact = parse_redactions(annotations["redact"]) if "redact" in annotations else ()
    return Terms(int(name.removeprefix("policy")), said, demand, redact)


def _demand(annotations: dict[str, str]) -> Demand:
    expires, escalate = annotations.get("expires"), annotations.get("escalate")
    return Demand(
        parse_chain(annotations["approval"]),
        DEFAULT_EXPIRES_SECONDS if expires is None else parse_duration(expires),
        () if escalate is None else parse_escalations(escalate),
    )


def cached_release(release_id: UUID) -> LoadedRelease | None:
    """A release this process has loaded before. Releases never change, so it is never stale."""
    return _releases.get(release_id)


def cache_release(release_id: UUID, release: LoadedRelease) -> LoadedRelease:
    return _releases.put(release_id, release)


def decide(facts: CallFacts, releases: Sequence[LoadedRelease]) -> Verdict:
    """Decide one call under these releases. Never raises for anything a call or a stored release may contain."""
    verdict = _decide(facts, releases)
    return excepted(facts, releases, verdict, decide=_decide, load=_load_lifted) if facts.exceptions else verdict


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
    answers = [_ask(release, question) for release in ordered]
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
    return Verdict(outcome, policies, obligations, refs, errors, facts.as_json())


def missing_detectors(names: Iterable[str], installed: Collection[str]) -> list[str]:
    """Of what a permit wants masked, the detectors that are not there."""
    return [name for name in names if name.startswith(PREFIX) and name not in installed]


def replay(stored: dict[str, Any], releases: Sequence[LoadedRelease]) -> Verdict:
    """Decide again from the `input` of a verdict. Under the same releases it equals that verdict (I11)."""
    return decide(CallFacts.from_json(stored), releases)


@dataclass(frozen=True, slots=True)
class _Question:
    """One call as Cedar reads it; only `params` differ between sets, and go in front of `context_rest`."""

    tool: ToolFacts
    request: dict[str, Any]
    entities: Entities
    context_rest: str


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


def _ask(release: LoadedRelease, question: _Question) -> _Answer:
    """What one set says."""
    if release.policies is None:
        return _Answer(errors=(release.problem,))
    request = question.request | {"context": f'{{"params": {release.parameters_text}, {question.context_rest}'}
    try:
        schema = decision_schema(question.tool, release.parameters.types)
        result = is_authorized(request, release.policies, question.entities, schema)
    except (ValueError, TypeError):
        return _Answer(errors=(_does_not_fit(release),))
    # Cedar names its reasons in any order; a verdict must not depend on it
    reasons = tuple(
        sorted((release.terms[name] for name in result.diagnostics.reasons), key=lambda terms: terms.position)
    )
    errors = tuple(sorted(_explain(message, release) for message in result.diagnostics.errors))
    if result.decision is Decision.Allow:
        return _Answer(permits=reasons, errors=errors)
    if result.decision is Decision.Deny:
        return _Answer(forbids=reasons, errors=errors)
    return _Answer(errors=(_does_not_fit(release),))


def _does_not_fit(release: LoadedRelease) -> str:
    return f"The call does not fit what the policies {release.ref} were written for, so they cannot decide it."


def _explain(message: str, release: LoadedRelease) -> str:
    """A sentence without any value of the call: it is kept in plain text, and Cedar's message may quote arguments."""
    match = _EVALUATION_ERROR.fullmatch(message)
    if match is None or match[1] not in release.terms:
        return f"The policies {release.ref} could not be evaluated."
    policy, why = release.terms[match[1]].ref.id, match[2]
    if missing := _MISSING_ATTRIBUTE.search(why):
        because = f"it reads “{missing[1]}”, which this call does not have"
    elif "overflow" in why:
        because = "a number in it became too large"
    elif "type error" in why:
        because = "it compares things of different types"
    elif "recursion" in why:
        because = "it is nested too deeply"
    else:
        because = "a value in it cannot be read"
    return f"Policy “{policy}” of {release.ref} could not be evaluated: {because}."


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
    request = {
        "principal": {"type": "Agent", "id": facts.agent},
        "action": {"type": "Action", "id": tool.name},
        "resource": {"type": "Tool", "id": tool.name},
    }
    return _Question(tool, request, _entities_of(facts), json.dumps(context)[1:])


def _decimal(facts: CallFacts) -> str:
    confidence = floor_confidence(facts.confidence or 0)
    if not confidence.is_finite() or not 0 <= confidence <= 1:
        raise Misfit("its confidence is not a number from 0 to 1")
    return f"{confidence:.4f}"


def _entities_of(facts: CallFacts) -> Entities:
    """Agent, tool and action with what they are in. The same few come again and again, so they are kept."""
    tool = facts.tool
    groups = action_groups(tool)
    key = (facts.agent, facts.process, facts.teams, tool.name, tool.connector, groups)
    known = _entities.get(key)
    if known is not None:
        return known
    parents = [("Process", facts.process), *(("Team", team) for team in facts.teams)]
    try:
        made = Entities.from_json_str(
            json.dumps(
                [
                    _entity("Agent", facts.agent, parents),
                    _entity("Tool", tool.name, [("Connector", tool.connector)]),
                    _entity("Action", tool.name, [("Action", group) for group in groups]),
                ]
            )
        )
    except ValueError:
        raise Misfit("the agent or the tool has a name that policies cannot carry") from None
    return _entities.put(key, made)


def _entity(kind: str, name: str, parents: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {
        "uid": {"type": kind, "id": name},
        "attrs": {},
        "parents": [{"type": parent, "id": parent_name} for parent, parent_name in parents],
    }
