"""Partial evaluation: what is left of a policy once the tool, the environment, the parameters and, where it is known,
the agent are put in. Pure.

Cedar's own partial evaluation is experimental and knows a context whole or not at all, so this works on the parsed
tree. It says true or false only where every call there could be gets that answer; the rest stays as it is written. An
operand that may fail is never dropped, because a failure denies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from apps.policies.arguments import RecordOf, Shape
from apps.policies.bounds import LEAST, MOST
from apps.policies.expressions import Expression
from apps.policies.parameters import Parameters
from apps.policies.reading import Condition, ReadPolicy, Scope, path_of
from apps.policies.schema import action_groups, argument_shape
from apps.policies.verdicts import ToolFacts

Entity = tuple[str, str]
# A value that is known, with its type, so that 1 is not true: ("long", 1), ("set", frozenset(…)).
Value = tuple[str, Any]

ALWAYS_THERE = frozenset({"arguments", "environment", "effect", "data_classes", "params", "run", "approved_by"})
AT_TIMES_THERE = frozenset({"confidence", "region", "customer_tier"})
RECORDS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("money",): ("minor", "currency"),
    ("run",): ("steps", "calls", "cost_minor"),
}
TRUE, FALSE = {"Value": True}, {"Value": False}
MAY_FAIL = frozenset({"+", "-", "*", "neg", "ip", "datetime", "duration", "getTag"})
ANYBODY: Final[Scope] = {"op": "All"}

_ARITHMETIC = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}
_ORDER = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@dataclass(frozen=True)
class Given:
    """What is known of a call before it is made. `agent` is its slug, "" for any agent of `process`; `process` "" for
    any process; `environment` "" for any.
    """

    tool: ToolFacts
    parameters: Parameters
    agent: str = ""
    process: str = ""
    teams: tuple[str, ...] = ()
    environment: str = ""
    ancestors: Mapping[str, frozenset[Entity]] = field(init=False)

    def __post_init__(self) -> None:
        tool = self.tool
        mine = {("Process", self.process), *(("Team", team) for team in self.teams)}
        object.__setattr__(
            self,
            "ancestors",
            {
                "principal": frozenset(mine),
                "action": frozenset(("Action", group) for group in action_groups(tool)),
                "resource": frozenset({("Connector", tool.connector)}),
            },
        )


def left_of(policy: ReadPolicy, given: Given) -> ReadPolicy | None:
    """The policy with all that is known put in: no head and no conditions where it applies to every such call, None
    where it applies to none.
    """
    fold = _Fold(given)
    for name, scope in (("principal", policy.principal), ("action", policy.action), ("resource", policy.resource)):
        if fold.truth(_scope_as_condition(name, scope)) is False:
            return None
    principal = policy.principal
    if fold.truth(_scope_as_condition("principal", principal)):
        principal = ANYBODY
    conditions = _conditions_left(policy.conditions, fold)
    if conditions is None:
        return None
    return replace(policy, principal=principal, action=ANYBODY, resource=ANYBODY, conditions=conditions)


def may_fail(policy: ReadPolicy, given: Given) -> bool:
    """Whether evaluating its conditions may fail for some call, which denies it."""
    fold = _Fold(given)
    return any(fold.may_fail(condition.body) for condition in policy.conditions)


def is_ruled_out(conditions: Sequence[Condition], given: Given) -> bool:
    """Whether they hold for no such call and cannot fail either, also where the tool has changed since the policy was
    checked against its arguments: only what comes first and is known for sure counts.
    """
    return _conditions_left(conditions, _FoldUnchecked(given)) is None


def _conditions_left(conditions: Iterable[Condition], fold: _Fold) -> tuple[Condition, ...] | None:
    left: list[Condition] = []
    may_fail = False
    for condition in conditions:
        folded = fold.fold(condition.body)
        wanted = TRUE if condition.kind == "when" else FALSE
        if folded in (TRUE, FALSE) and folded != wanted and not may_fail:
            return None
        if folded != wanted:
            left.append(Condition(condition.kind, folded))
            may_fail = may_fail or fold.may_fail(folded)
    return tuple(left)


def _scope_as_condition(name: str, scope: Scope) -> Expression:
    """The head as the condition it is short for."""
    variable = {"Var": name}
    if scope["op"] == "All":
        return TRUE
    if scope["op"] == "is":
        inside = scope.get("in")
        is_type = {"is": {"left": variable, "entity_type": scope["entity_type"]}}
        return {"&&": {"left": is_type, "right": _within(variable, "in", [inside["entity"]])}} if inside else is_type
    return _within(variable, scope["op"], scope.get("entities") or [scope["entity"]], several="entities" in scope)


def _within(variable: Expression, form: str, entities: list[Mapping[str, str]], *, several: bool = False) -> Expression:
    named = [{"Value": {"__entity": entity}} for entity in entities]
    return {form: {"left": variable, "right": {"Set": named} if several else named[0]}}


class _Fold:
    """One policy's conditions under what is given."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.shape = argument_shape(given.tool).record
        known: dict[str, Any] = {
            "effect": given.tool.effect,
            "data_classes": list(given.tool.data_classes),
            "params": given.parameters.values,
        }
        self.context = known | ({"environment": given.environment} if given.environment else {})

    def fold(self, node: Expression) -> Expression:
        """A condition, with what is certain of it decided."""
        truth = self.truth(node)
        if truth is not None:
            return TRUE if truth else FALSE
        if "&&" in node or "||" in node:
            form = "&&" if "&&" in node else "||"
            neutral = TRUE if form == "&&" else FALSE
            left, right = self.fold(node[form]["left"]), self.fold(node[form]["right"])
            if neutral in (left, right):
                return right if left == neutral else left
            return {form: {"left": left, "right": right}}
        if "!" in node:
            return {"!": {"arg": self.fold(node["!"]["arg"])}}
        if "if-then-else" in node:
            body = node["if-then-else"]
            asked = self.truth(body["if"])
            if asked is not None:
                return self.fold(body["then" if asked else "else"])
            return {"if-then-else": {part: self.fold(body[part]) for part in ("if", "then", "else")}}
        return node

    def truth(self, node: Expression) -> bool | None:
        """Whether it holds of every such call, of none, or that depends."""
        value = self.value(node)
        return value[1] if value is not None and value[0] == "bool" else None

    def value(self, node: Expression) -> Value | None:
        """What it is for every such call; None where that depends, or is not understood."""
        [(form, body)] = node.items()
        if form in ("&&", "||"):
            return self._logical(form, body)
        if form == "!":
            truth = self.truth(body["arg"])
            return None if truth is None else ("bool", not truth)
        if form == "if-then-else":
            asked = self.truth(body["if"])
            return None if asked is None else self.value(body["then" if asked else "else"])
        if form in ("==", "!="):
            left, right = self.value(body["left"]), self.value(body["right"])
            return None if left is None or right is None else ("bool", (left == right) is (form == "=="))
        if form in _ORDER or form in _ARITHMETIC:
            return self._numbers(form, body)
        if form in ("in", "is"):
            return self._membership(form, body)
        if form == "has":
            return self._has(body)
        if form in ("contains", "containsAll", "containsAny", "isEmpty", "like"):
            return self._contents(form, body)
        return self._primary(form, body)

    def _primary(self, form: str, body: Any) -> Value | None:
        if form == "Value":
            return _value(body)
        if form == "Var":
            return self._variable(body)
        if form == "Set":
            items = [self.value(item) for item in body]
            return None if None in items else ("set", frozenset(items))
        if form == ".":
            path = path_of({".": body})
            if path is not None:
                return self._at(path)
        return None

    def _variable(self, name: str) -> Value | None:
        if name == "principal":
            return ("entity", ("Agent", self.given.agent)) if self.given.agent else None
        kind = {"action": "Action", "resource": "Tool"}.get(name)
        return ("entity", (kind, self.given.tool.name)) if kind else None

    def _at(self, path: tuple[str, ...]) -> Value | None:
        found: Any = self.context
        for step in path:
            if not isinstance(found, Mapping) or step not in found:
                return None
            found = found[step]
        return None if isinstance(found, Mapping) else _value(found)

    def _logical(self, form: str, body: Mapping[str, Expression]) -> Value | None:
        decides = form == "||"
        left = self.truth(body["left"])
        if left is decides:
            return ("bool", decides)
        right = self.truth(body["right"])
        if left is None and right is decides and not self.may_fail(body["left"]):
            return ("bool", decides)
        return None if left is None or right is None else ("bool", right)

    def _numbers(self, form: str, body: Mapping[str, Expression]) -> Value | None:
        left, right = self.value(body["left"]), self.value(body["right"])
        if left is None or right is None or (left[0], right[0]) != ("long", "long"):
            return None
        if form in _ORDER:
            return ("bool", _ORDER[form](left[1], right[1]))
        result = _ARITHMETIC[form](left[1], right[1])
        return ("long", result) if LEAST <= result <= MOST else None

    def _membership(self, form: str, body: Mapping[str, Any]) -> Value | None:
        variable = body["left"].get("Var")
        if variable not in self.given.ancestors:
            return None
        if form == "is":
            kind = {"principal": "Agent", "action": "Action", "resource": "Tool"}[variable]
            if kind != body["entity_type"]:
                return ("bool", False)
            return (
                self._membership("in", {"left": body["left"], "right": body["in"]})
                if body.get("in")
                else (
                    "bool",
                    True,
                )
            )
        right = self.value(body["right"])
        if right is None or right[0] not in ("entity", "set"):
            return None
        wanted = [right] if right[0] == "entity" else list(right[1])
        answers = [self._is_in(variable, entity) for kind, entity in wanted if kind == "entity"]
        if True in answers:
            return ("bool", True)
        return None if None in answers or len(answers) != len(wanted) else ("bool", False)

    def _is_in(self, variable: str, entity: Entity) -> bool | None:
        own = self._variable(variable)
        if (own is not None and own[1] == entity) or (entity[1] and entity in self.given.ancestors[variable]):
            return True
        if variable != "principal" or self.given.agent:
            return False
        # any agent of the process: of its process it is certain, of itself and its teams nothing is
        is_certain = entity[0] == "Process" and bool(self.given.process)
        return False if is_certain or entity[0] not in ("Agent", "Process", "Team") else None

    def _has(self, body: Mapping[str, Any]) -> Value | None:
        owner = () if body["left"] == {"Var": "context"} else path_of(body["left"]) if "." in body["left"] else None
        if owner is None:
            return None
        is_there = self._is_there((*owner, body["attr"]))
        return None if is_there is None else ("bool", is_there)

    def _is_there(self, path: tuple[str, ...]) -> bool | None:
        """Whether the context has it: always, never, or at times."""
        top = path[0]
        if top == "arguments":
            return self._argument_is_there(path[1:])
        if len(path) == 1:
            return None if top in AT_TIMES_THERE else (top in ALWAYS_THERE or (top == "money" and self._moves_money))
        if top == "params":
            return self._at_record(path)
        return path[-1] in RECORDS.get(path[:-1], ())

    @property
    def _moves_money(self) -> bool:
        return self.given.tool.has_money

    def _at_record(self, path: tuple[str, ...]) -> bool:
        found: Any = self.context
        for step in path:
            if not isinstance(found, Mapping) or step not in found:
                return False
            found = found[step]
        return True

    def _argument_is_there(self, path: tuple[str, ...]) -> bool | None:
        """Of an owner that may be absent, Cedar's checker has seen to it that this is asked first."""
        shape: Shape = self.shape
        is_required = True
        for step in path:
            fields = shape.fields if isinstance(shape, RecordOf) else ()
            found = next((each for each in fields if each.name == step), None)
            if found is None:
                return False
            shape, is_required = found.shape, found.is_required
        return True if is_required else None

    def _contents(self, form: str, body: Mapping[str, Any]) -> Value | None:
        if form == "like":
            text = self.value(body["left"])
            known = text is not None and text[0] == "string"
            return ("bool", bool(_pattern(body["pattern"]).fullmatch(text[1]))) if known and text else None
        whole = self.value(body["arg" if form == "isEmpty" else "left"])
        if whole is None or whole[0] != "set":
            return None
        if form == "isEmpty":
            return ("bool", not whole[1])
        part = self.value(body["right"])
        if part is None:
            return None
        if form == "contains":
            return ("bool", part in whole[1])
        if part[0] != "set":
            return None
        return ("bool", part[1] <= whole[1] if form == "containsAll" else bool(part[1] & whole[1]))

    def may_fail(self, node: Any) -> bool:
        """Whether evaluating it may fail for some call: arithmetic, an extension, an attribute that is not there."""
        if isinstance(node, Mapping):
            form = next(iter(node)) if len(node) == 1 else ""
            if form == ".":
                return self._path_may_fail(node)
            if form == "decimal":  # a constant was checked when it was saved
                return any("Value" not in part for part in node[form])
            return form in MAY_FAIL or any(self.may_fail(part) for part in node.values())
        return isinstance(node, list) and any(self.may_fail(part) for part in node)

    def _path_may_fail(self, node: Expression) -> bool:
        path = path_of(node)
        if path is None:
            return True
        return any(self._is_there(path[: length + 1]) is False for length in range(len(path)))


class _FoldUnchecked(_Fold):
    """For policies that nobody has held against what the tool takes now: an attribute may be missing anywhere."""

    def may_fail(self, node: Expression) -> bool:
        return True

    def _has(self, body: Mapping[str, Any]) -> Value | None:
        return None


def _value(stored: Any) -> Value | None:
    if isinstance(stored, bool):
        return ("bool", stored)
    if isinstance(stored, int):
        return ("long", stored)
    if isinstance(stored, str):
        return ("string", stored)
    if isinstance(stored, list):
        items = [_value(item) for item in stored]
        return None if None in items else ("set", frozenset(items))
    if isinstance(stored, Mapping) and set(stored) == {"__entity"}:
        return ("entity", (stored["__entity"]["type"], stored["__entity"]["id"]))
    return None


def _pattern(parts: Iterable[Any]) -> re.Pattern[str]:
    return re.compile("".join(".*" if part == "Wildcard" else re.escape(part["Literal"]) for part in parts), re.DOTALL)
