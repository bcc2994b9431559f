"""The text of a set as a row of policies that can be read: what each is about, what it asks, where it stands. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from cedarpy import format_policies, policies_to_json_str

from apps.policies.cedar_text import Statement, TextError, parse_error, place, statements
from apps.policies.expressions import Expression, entity, written
from apps.policies.obligations import DEFAULT_EXPIRES_SECONDS, Demand, parse_chain, parse_duration, parse_escalations
from apps.policies.parameters import Parameters, read_parameters
from apps.policies.schema import action_groups
from apps.policies.verdicts import ToolFacts

Scope = Mapping[str, Any]
Conjuncts = tuple[tuple[Expression, bool], ...]

MOST_ALTERNATIVES = 32


@dataclass(frozen=True, slots=True)
class Condition:
    """One `when` or `unless`."""

    kind: str
    body: Expression

    @property
    def text(self) -> str:
        return f"{self.kind} {{ {written(self.body)} }}"


def conditions_of(policy: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Of a policy in Cedar's JSON form."""
    return tuple(Condition(each["kind"], each["body"]) for each in policy["conditions"])


@dataclass(frozen=True)
class ReadPolicy:
    """One policy as it was parsed. `line` is where it begins, from 1; `source` is its own text."""

    id: str
    effect: str
    annotations: Mapping[str, str]
    principal: Scope
    action: Scope
    resource: Scope
    conditions: tuple[Condition, ...]
    line: int
    source: str

    @property
    def says(self) -> str:
        """What its author claims. Sentences that are shown as what it does are made from the rest."""
        return self.annotations.get("says", "")

    @cached_property
    def demand(self) -> Demand | None:
        """What a permit asks of people; None where it asks nobody, or what it asks cannot be read."""
        try:
            return _demand(self.annotations)
        except ValueError:
            return None

    @property
    def scopes(self) -> dict[str, str]:
        """Principal, action and resource as Cedar writes them; "" for any."""
        return {
            name: scope_text(scope)
            for name, scope in (("principal", self.principal), ("action", self.action), ("resource", self.resource))
        }

    @cached_property
    def conjuncts(self) -> Conjuncts:
        """What all has to hold for it to apply: (expression, True) where it must be true, (…, False) where false."""
        found: list[tuple[Expression, bool]] = []
        for condition in self.conditions:
            found += _all_of(condition.body, condition.kind == "when")
        return tuple(found)

    @cached_property
    def alternatives(self) -> tuple[Conjuncts, ...]:
        """The ways in which it can come to apply, each a row of things that all have to hold. What makes too many of
        them is one way, in which less is understood.
        """
        found: list[Conjuncts] = [()]
        for node, holds in self.conjuncts:
            found = _crossed(found, alternatives_of(node, holds))
        return tuple(found) if len(found) <= MOST_ALTERNATIVES else (self.conjuncts,)

    def covers(self, tool: ToolFacts) -> bool:
        """Whether its head lets it speak of this tool."""
        actions = {("Action", tool.name), *(("Action", group) for group in action_groups(tool))}
        resources = {("Tool", tool.name), ("Connector", tool.connector)}
        return _names_one_of(self.action, actions) and _names_one_of(self.resource, resources)

    def tools(self, known: Iterable[ToolFacts]) -> tuple[ToolFacts, ...]:
        return tuple(tool for tool in known if self.covers(tool))


@dataclass(frozen=True)
class ReadSet:
    """The policies of a text in its order, with the parameters they see."""

    policies: tuple[ReadPolicy, ...]
    parameters: Parameters
    stored_parameters: Mapping[str, Any]

    def by_id(self) -> dict[str, ReadPolicy]:
        return {policy.id: policy for policy in self.policies}


def read_set(text: str, parameters: Any) -> ReadSet:
    """Read a text that Cedar can parse. Raises TextError for any other, and leaves out parameters that are none."""
    return ReadSet(
        read_policies(text), read_parameters(parameters)[0], parameters if isinstance(parameters, dict) else {}
    )


# The same few texts are read again and again: what decides, and what somebody is writing.
@lru_cache(maxsize=32)
def read_policies(text: str) -> tuple[ReadPolicy, ...]:
    """Raises TextError for a text that Cedar cannot parse."""
    parts = statements(text)
    for statement in parts:
        if flaw := parse_error(statement):
            raise flaw
    try:
        parsed: dict[str, Any] = json.loads(policies_to_json_str(text))
    except (ValueError, RecursionError) as error:
        raise TextError(str(error), 0) from None
    found = {int(name.removeprefix("policy")): policy for name, policy in parsed["staticPolicies"].items()}
    return tuple(_read(text, parts[position], found[position]) for position in sorted(found))


@lru_cache(maxsize=32)
def canonical_text(text: str) -> str:
    """The text in one layout, whoever wrote it, its remarks kept. What cannot be parsed stays as it is."""
    try:
        read_policies(text)
        return str(format_policies(text)) if text.strip() else ""
    except (TextError, ValueError):
        return text


def scope_text(scope: Scope) -> str:
    """`in Process::"returns"`, or "" for any."""
    if scope["op"] == "All":
        return ""
    if scope["op"] == "is":
        inside = scope.get("in")
        return f"is {scope['entity_type']}" + (f" in {entity(inside['entity'])}" if inside else "")
    if "entities" in scope:
        return f"{scope['op']} [{', '.join(entity(each) for each in scope['entities'])}]"
    return f"{scope['op']} {entity(scope['entity'])}"


def scope_entities(scope: Scope) -> tuple[tuple[str, str], ...]:
    """(type, id) of what the scope names."""
    named = scope.get("entities") or ([scope["entity"]] if "entity" in scope else [])
    if scope["op"] == "is" and scope.get("in"):
        named = [scope["in"]["entity"]]
    return tuple((each["type"], each["id"]) for each in named)


def path_of(node: Expression) -> tuple[str, ...] | None:
    """("money", "minor") of `context.money.minor`; None of anything else."""
    steps: list[str] = []
    while "." in node:
        steps.append(node["."]["attr"])
        node = node["."]["left"]
    return tuple(reversed(steps)) if node.get("Var") == "context" and steps else None


def paths_in(node: Any) -> Iterator[tuple[str, ...]]:
    """Every `context.…` that stands in an expression, the longest of each."""
    if isinstance(node, Mapping):
        path = path_of(node) if "." in node else None
        if path is not None:
            yield path
            return
        if "has" in node and isinstance(node["has"], Mapping):
            owner = node["has"]["left"]
            left = () if owner == {"Var": "context"} else path_of(owner)
            if left is not None:
                yield (*left, node["has"]["attr"])
                return
        for value in node.values():
            yield from paths_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from paths_in(value)


def parameters_in(policy: ReadPolicy) -> frozenset[str]:
    """The names of the parameters its conditions read."""
    paths = (path for condition in policy.conditions for path in paths_in(condition.body))
    return frozenset(path[1] for path in paths if path[0] == "params" and len(path) > 1)


def _read(text: str, statement: Statement, policy: Mapping[str, Any]) -> ReadPolicy:
    annotations = {key: value or "" for key, value in policy.get("annotations", {}).items()}
    return ReadPolicy(
        id=annotations.get("id", ""),
        effect=policy["effect"],
        annotations=annotations,
        principal=policy["principal"],
        action=policy["action"],
        resource=policy["resource"],
        conditions=conditions_of(policy),
        line=place(text, statement.offset)[0],
        source=statement.text,
    )


def _demand(annotations: Mapping[str, str]) -> Demand | None:
    if "approval" not in annotations:
        return None
    expires, escalate = annotations.get("expires"), annotations.get("escalate")
    return Demand(
        parse_chain(annotations["approval"]),
        DEFAULT_EXPIRES_SECONDS if expires is None else parse_duration(expires),
        () if escalate is None else parse_escalations(escalate),
    )


def _all_of(node: Expression, holds: bool) -> Iterator[tuple[Expression, bool]]:
    """`a && b` that must hold is two; so is `a || b` that must not."""
    if "!" in node:
        yield from _all_of(node["!"]["arg"], not holds)
        return
    form = "&&" if holds else "||"
    if form in node:
        yield from _all_of(node[form]["left"], holds)
        yield from _all_of(node[form]["right"], holds)
        return
    yield node, holds


def alternatives_of(node: Expression, holds: bool) -> list[Conjuncts]:
    """`a && (b || c)` that must hold is `a && b` or `a && c`."""
    if "!" in node:
        return alternatives_of(node["!"]["arg"], not holds)
    either, both = ("||", "&&") if holds else ("&&", "||")
    if either in node:
        found = alternatives_of(node[either]["left"], holds) + alternatives_of(node[either]["right"], holds)
    elif both in node:
        left, right = node[both]["left"], node[both]["right"]
        found = _crossed(alternatives_of(left, holds), alternatives_of(right, holds))
    else:
        return [((node, holds),)]
    return found if len(found) <= MOST_ALTERNATIVES else [((node, holds),)]


def _crossed(one: list[Conjuncts], two: list[Conjuncts]) -> list[Conjuncts]:
    """Each of the one with each of the other; too many are cut off where they are counted."""
    return [first + second for first in one[: MOST_ALTERNATIVES + 1] for second in two[: MOST_ALTERNATIVES + 1]]


def _names_one_of(scope: Scope, known: set[tuple[str, str]]) -> bool:
    """A scope of a form not known here counts as naming all."""
    entities = scope_entities(scope)
    if not entities:
        return True
    if scope["op"] == "==":
        # a group is no tool: `action == Action::"read"` speaks of none
        return entities[0] in {each for each in known if not _is_group(each)}
    return any(each in known for each in entities)


def _is_group(named: tuple[str, str]) -> bool:
    return named[0] == "Connector" or bool(re.fullmatch("read|write|irreversible|financial", named[1]))
