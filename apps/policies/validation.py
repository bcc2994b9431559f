"""Everything that is wrong with a text before it may decide anything, each with its place and a sentence. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any

from cedarpy import Schema, policies_to_json_str
from cedarpy import validate_policies as cedar_validate

from apps.policies.arguments import RecordOf
from apps.policies.cedar_text import Statement, TextError, parse_error, place, statements
from apps.policies.characters import character_name, first_unseen
from apps.policies.detectors import PREFIX
from apps.policies.obligations import parse_chain, parse_duration, parse_escalations, parse_redactions
from apps.policies.parameters import Parameters, read_parameters
from apps.policies.schema import GROUPS, action_groups, argument_shape, schema_json
from apps.policies.verdicts import ToolFacts

ANNOTATIONS = ("id", "says", "approval", "expires", "escalate", "redact")
MAX_SAYS_LENGTH = 200
# Nobody reads more at a time, and some take long to explain.
MOST_PROBLEMS = 100
MAX_SENTENCE_LENGTH = 500

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", re.ASCII)
_PREFIX = re.compile(r"for policy `[^`]*`, ")
_UNKNOWN_ATTRIBUTE = re.compile(r'attribute `(?P<path>.+)` in context for Action::"(?P<tool>.*)" not found', re.DOTALL)
_OPTIONAL_ATTRIBUTE = re.compile(
    r"unable to guarantee safety of access to optional attribute `(?P<path>.+)` in context.*", re.DOTALL
)
_UNKNOWN_ACTION = re.compile(r'unrecognized action `Action::"(?P<name>.*)"`', re.DOTALL)
_NEVER_APPLIES = "unable to find an applicable action given the policy scope constraints"


@dataclass(frozen=True, slots=True)
class Known:
    """What policies may name. A name that is not here is a mistake: a `forbid` that names nothing forbids nothing."""

    tools: tuple[ToolFacts, ...]
    teams: frozenset[str]
    connectors: frozenset[str]
    processes: frozenset[str]
    agents: frozenset[str]
    detectors: frozenset[str] = frozenset()

    @property
    def data_classes(self) -> frozenset[str]:
        return frozenset(name for tool in self.tools for name in tool.data_classes)

    def tool(self, name: str) -> ToolFacts | None:
        return next((tool for tool in self.tools if tool.name == name), None)

    def names(self, entity_type: str) -> frozenset[str] | None:
        """The names of entities of this type; None where Cedar itself checks them."""
        return {
            "Team": self.teams,
            "Connector": self.connectors,
            "Process": self.processes,
            "Agent": self.agents,
            "Tool": frozenset(tool.name for tool in self.tools),
        }.get(entity_type)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. Line and column count from 1; line 0 is the parameters. `policy` is its @id, where it has one."""

    line: int
    column: int
    policy: str
    sentence: str

    def as_json(self) -> dict[str, Any]:
        return {"line": self.line, "column": self.column, "policy": self.policy, "sentence": self.sentence}


def problems_of(*, text: str, parameters: Any, known: Known) -> tuple[Problem, ...]:
    """The mistakes, in the order of the text; empty when it may be released. Of very many, MOST_PROBLEMS and a sentence
    that there are more.
    """
    found = tuple(islice(_problems(text, parameters, known), MOST_PROBLEMS + 1))
    listed = sorted(dict.fromkeys(found[:MOST_PROBLEMS]), key=lambda problem: (problem.line, problem.column))
    if len(found) > MOST_PROBLEMS:
        sentence = f"There are more mistakes than these {MOST_PROBLEMS}. Mend these first."
        listed.append(Problem(listed[-1].line, listed[-1].column, "", sentence))
    return tuple(listed)


def _problems(text: str, parameters: Any, known: Known) -> Iterator[Problem]:
    read, parameter_problems = read_parameters(parameters)
    yield from (Problem(0, 0, "", sentence) for sentence in parameter_problems)
    yield from _unknown_teams(read, known)
    if (unseen := first_unseen(text)) is not None:
        sentence = f"Here stands a character that cannot be seen: {character_name(text[unseen])}. Take it out."
        yield _problem(text, unseen, "", sentence)
        return
    try:
        policies = statements(text)
    except TextError as error:
        yield _problem(text, error.offset, "", error.sentence)
        return
    are_readable = True
    for statement in policies:
        if (flaw := parse_error(statement)) is not None:
            are_readable = False
            yield _problem(text, flaw.offset, "", flaw.sentence)
    if are_readable:
        yield from _Checks(text, policies, read, known).run()


def _unknown_teams(read: Parameters, known: Known) -> list[Problem]:
    named = [(name, read.values[name]) for name, kind in read.types if kind == "team"]
    return [
        Problem(0, 0, "", f"Parameter “{name}”: there is no team “{team}”.{_did_you_mean(team, known.teams)}")
        for name, team in named
        if team not in known.teams
    ]


def _problem(text: str, offset: int, policy: str, sentence: str) -> Problem:
    line, column = place(text, offset)
    is_long = len(sentence) > MAX_SENTENCE_LENGTH
    return Problem(line, column, policy[:80], sentence[:MAX_SENTENCE_LENGTH] + "…" if is_long else sentence)


class _Checks:
    """The checks of a text that Cedar can read."""

    def __init__(self, text: str, policies: Sequence[Statement], parameters: Parameters, known: Known) -> None:
        parsed = json.loads(policies_to_json_str(text))
        self.text, self.parameters, self.known = text, parameters, known
        self.statements = {f"policy{n}": statement for n, statement in enumerate(policies)}
        self.templates: dict[str, Any] = parsed["templates"]
        self.parsed: dict[str, Any] = parsed["staticPolicies"]

    def run(self) -> Iterator[Problem]:
        for name in self.templates:
            yield self.problem(name, "A template decides nothing here; write the policy out.")
        yield from self._ids()
        for name, policy in self.parsed.items():
            yield from self._annotations(name, policy)
            yield from self._names(name, policy)
        yield from self._types()

    def problem(self, name: str, sentence: str, *path: str) -> Problem:
        """A problem of this policy, placed at the last word of `path` where it has that, else at its beginning."""
        statement = self.statements[name]
        offset = statement.find(*path) if path else None
        policy = self.parsed.get(name, {}).get("annotations", {}).get("id") or ""
        return _problem(self.text, statement.offset if offset is None else offset, policy, sentence)

    def _ids(self) -> Iterator[Problem]:
        seen: set[str] = set()
        for name, policy in self.parsed.items():
            policy_id = policy.get("annotations", {}).get("id") or ""
            if not policy_id:
                yield self.problem(name, 'This policy has no name: write @id("…") in front of it.')
            elif not _ID.fullmatch(policy_id):
                yield self.problem(name, _why_no_id(policy_id), policy_id)
            elif policy_id in seen:
                yield self.problem(name, f"There is another policy with @id “{policy_id}”.", policy_id)
            seen.add(policy_id)

    def _annotations(self, name: str, policy: dict[str, Any]) -> Iterator[Problem]:
        annotations: dict[str, str] = {key: value or "" for key, value in policy.get("annotations", {}).items()}
        says = annotations.get("says", "").strip()
        if not says:
            yield self.problem(name, 'This policy says nothing to people: write @says("…") in front of it.')
        elif len(says) > MAX_SAYS_LENGTH:
            yield self.problem(name, f"@says is one sentence of at most {MAX_SAYS_LENGTH} characters.", "says")
        elif (unseen := first_unseen(says)) is not None:
            sentence = f"@says holds a character that cannot be seen: {character_name(says[unseen])}."
            yield self.problem(name, sentence, "says")
        for key in annotations:
            if key not in ANNOTATIONS:
                yield self.problem(name, f"There is no annotation @{key}; there are {_listed(ANNOTATIONS)}.", "@", key)
        owed = [key for key in ("approval", "expires", "escalate") if key in annotations]
        if owed and policy["effect"] == "forbid":
            yield self.problem(name, f"A forbid cannot ask for anything; @{owed[0]} belongs to a permit.", "@", owed[0])
        elif owed and "approval" not in annotations:
            yield self.problem(name, f"@{owed[0]} without @approval means nothing.", "@", owed[0])
        if "redact" in annotations and policy["effect"] == "forbid":
            yield self.problem(name, "A forbid cannot ask for anything; @redact belongs to a permit.", "@", "redact")
        yield from self._obligations(name, annotations)
        if "redact" in annotations:
            yield from self._redactions(name, annotations["redact"])

    def _redactions(self, name: str, text: str) -> Iterator[Problem]:
        """A class that no tool has, and a detector that is not installed, would mask nothing."""
        try:
            wanted = parse_redactions(text)
        except ValueError as error:
            yield self.problem(name, f"@redact: {error}", "@", "redact")
            return
        for word in wanted:
            if word.startswith(PREFIX):
                if word not in self.known.detectors:
                    sentence = f"@redact: “{word}” is not installed here; requirements-pii.txt brings it."
                    yield self.problem(name, sentence, "@", "redact")
            elif word not in self.known.data_classes:
                hint = _did_you_mean(word, self.known.data_classes)
                yield self.problem(name, f"@redact: No tool has data of class “{word}”.{hint}", "@", "redact")

    def _obligations(self, name: str, annotations: dict[str, str]) -> Iterator[Problem]:
        teams: list[str] = []
        try:
            if "approval" in annotations:
                key = "approval"
                teams += [stage.team for stage in parse_chain(annotations[key])]
            if "expires" in annotations:
                key = "expires"
                parse_duration(annotations[key])
            if "escalate" in annotations:
                key = "escalate"
                teams += [step.team for step in parse_escalations(annotations[key])]
        except ValueError as error:
            yield self.problem(name, f"@{key}: {error}", "@", key)
        for team in teams:
            if team not in self.known.teams:
                yield self.problem(
                    name, f"There is no team “{team}”.{_did_you_mean(team, self.known.teams)}", "approval"
                )

    def _names(self, name: str, policy: dict[str, Any]) -> Iterator[Problem]:
        for kind, entity in _entities_in(policy):
            names = self.known.names(kind)
            if names is not None and entity not in names:
                sentence = f"There is no {kind.lower()} “{entity}”.{_did_you_mean(entity, names)}"
                yield self.problem(name, sentence, kind, "::", entity)

    def _types(self) -> Iterator[Problem]:
        """What Cedar's own type checker finds against the schema of every tool."""
        try:
            schema = Schema.from_json_str(json.dumps(schema_json(self.known.tools, self.parameters.types)))
        except ValueError as error:
            yield Problem(1, 1, "", f"The tools make no schema: {error}")
            return
        found = [(error.policy_id, _PREFIX.sub("", error.error)) for error in cedar_validate(self.text, schema).errors]
        explained = {name for name, message in found if message != _NEVER_APPLIES}
        for name, message in found:
            if name not in self.statements:
                yield Problem(1, 1, "", _plain(message))
            elif message != _NEVER_APPLIES:
                yield self._type_problem(name, message)
            elif name not in explained and not self._waits_for_tools(name):
                yield self.problem(name, self._never_applies(name))

    def _waits_for_tools(self, name: str) -> bool:
        """True for a rule over all tools, or over groups, that is right although there is no such tool yet."""
        scope = self.parsed[name]["action"]
        if scope["op"] == "==":
            return False
        groups = {entity["id"] for entity in scope.get("entities", [scope["entity"]] if "entity" in scope else [])}
        tools = (tool for tool in self.known.tools if not groups or groups.intersection(action_groups(tool)))
        return next(tools, None) is None

    def _never_applies(self, name: str) -> str:
        scope = self.parsed[name]["action"]
        if scope["op"] == "==" and scope["entity"]["id"] in GROUPS:
            group = scope["entity"]["id"]
            return f'“{group}” is a group of tools: write “action in Action::"{group}"”.'
        return "This policy can never apply: the principal is an agent, the action a tool's, the resource that tool."

    def _type_problem(self, name: str, message: str) -> Problem:
        if match := _UNKNOWN_ATTRIBUTE.fullmatch(message):
            path = match["path"].split(".")
            return self.problem(name, self._no_attribute(path, match["tool"]), *path)
        if match := _OPTIONAL_ATTRIBUTE.fullmatch(message):
            path = match["path"].split(".")
            owner = ".".join(["context", *path[:-1]])
            guard = f"{owner} has {path[-1]} && …"
            return self.problem(name, f"“{path[-1]}” may be absent: ask first, “{guard}”.", *path)
        if match := _UNKNOWN_ACTION.fullmatch(message):
            tools = [tool.name for tool in self.known.tools]
            hint = _did_you_mean(match["name"], [*tools, *GROUPS])
            return self.problem(
                name, f"There is no tool or group of tools “{match['name']}”.{hint}", "Action", "::", match["name"]
            )
        quoted = [word for pair in re.findall(r"`\"?([^`\"]+)\"?`", message) for word in pair.split(".")]
        return self.problem(name, _plain(message), *quoted)

    def _no_attribute(self, path: list[str], tool_name: str) -> str:
        tool = self.known.tool(tool_name)
        top = path[0]
        if top == "money" and not (tool and tool.has_money):
            return f"{tool_name} moves no money: ask first, “context has money && …”, or name the tools this is for."
        if top == "params" and len(path) > 1:
            names = [name for name, _ in self.parameters.types]
            return f"This set has no parameter “{path[1]}”.{_did_you_mean(path[1], names)}"
        if top == "arguments" and tool is not None and len(path) > 1:
            return _no_argument(path[1:], tool)
        return f"A call of {tool_name} has no “{'.'.join(path)}”."


def _why_no_id(policy_id: str) -> str:
    odd = next((character for character in policy_id if not character.isascii()), "")
    named = f" “{odd}” is {character_name(odd)}." if odd else ""
    return f"An @id is made of the letters a to z, digits, dots, hyphens and underscores, at most 80 of them.{named}"


def _no_argument(path: list[str], tool: ToolFacts) -> str:
    """Why a policy cannot see this argument of the tool."""
    shape = argument_shape(tool)
    reasons = {left.pointer: left.reason for left in shape.left_out}
    for length in range(1, len(path) + 1):
        if reason := reasons.get("/" + "/".join(path[:length])):
            return f"Policies cannot see “{'.'.join(path)}” of {tool.name}: {reason}."
    record = shape.record
    for step in path[:-1]:
        inner = next((field.shape for field in record.fields if field.name == step), None)
        if isinstance(inner, RecordOf):
            record = inner
    hint = _did_you_mean(path[-1], [field.name for field in record.fields])
    return f"{tool.name} has no argument “{'.'.join(path)}”.{hint}"


def _entities_in(node: Any) -> Iterator[tuple[str, str]]:
    """(type, id) of every entity a parsed policy names, actions aside."""
    if isinstance(node, dict):
        kind, name = node.get("type"), node.get("id")
        if set(node) == {"type", "id"} and isinstance(kind, str) and isinstance(name, str):
            yield kind, name
            return
        for value in node.values():
            yield from _entities_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from _entities_in(value)


def _did_you_mean(word: str, words: Iterable[str]) -> str:
    near = get_close_matches(word, sorted(words), n=1)
    return f" Did you mean “{near[0]}”?" if near else ""


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"@{word}" for word in words[:-1]) + f" and @{words[-1]}"


def _plain(message: str) -> str:
    """Cedar's own words with our quotation marks, without its internal names."""
    text = re.sub(r"`\"?([^`\"]*)\"?`", r"“\1”", message).replace("__cedar::internal::Any", "anything").rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
