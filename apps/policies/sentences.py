"""What a policy does, in a sentence made from its parsed form and never from what its author claims. A condition that
no sentence says exactly is shown as it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.core.money import format_money
from apps.policies.bounds import OPPOSITE, Comparison, comparison_of, operand_of
from apps.policies.expressions import Expression, written
from apps.policies.parameters import Parameters
from apps.policies.reading import (
    Condition,
    ReadPolicy,
    ReadSet,
    alternatives_of,
    path_of,
    paths_in,
    scope_entities,
    scope_text,
)
from apps.policies.verdicts import ToolFacts
from apps.policies.wording import demand_words, duration_words, listed, number_words, parameter_words, tool_words

MINOR, CURRENCY = ("money", "minor"), ("money", "currency")
_COMPARED = {">": "over", ">=": "at least", "<": "under", "<=": "up to", "==": "exactly", "!=": "other than"}
_GROUPS = {
    "read": ("Reading", False),
    "write": ("Writes", True),
    "irreversible": ("Acts that cannot be undone", True),
    "financial": ("Financial acts", True),
}
_DECIMAL = {
    "lessThan": ("below", "at least"),
    "lessThanOrEqual": ("up to", "above"),
    "greaterThan": ("above", "up to"),
    "greaterThanOrEqual": ("at least", "below"),
}
_NAMED = {
    ("run", "calls"): "the number of calls in the run",
    ("run", "steps"): "the number of steps in the run",
    ("effect",): "the effect",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a sentence is said in front of: the tools there are with their titles, and the process whose set it is,
    which goes without saying in it.
    """

    tools: tuple[ToolFacts, ...] = ()
    process: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Amount:
    """What the conditions say of the money of a call."""

    bounds: list[Comparison] = field(default_factory=list)
    currencies: list[str] = field(default_factory=list)

    def takes(self, node: Expression, parameters: Parameters) -> bool:
        """Add what the node says of the money; False where that is nothing."""
        comparison = comparison_of(node, parameters)
        if comparison is None:
            return False
        if comparison.path == MINOR and isinstance(comparison.operand.value, int):
            self.bounds = sorted([*self.bounds, comparison], key=lambda bound: bound.operator in ("<", "<="))
            return True
        if comparison.path == CURRENCY and comparison.operator == "==":
            self.currencies.append(str(comparison.operand.value))
            return True
        return False

    def words(self) -> str:
        one = self.currencies[0] if len(set(self.currencies)) == 1 else ""
        said = [f"{_COMPARED[bound.operator]} {self._value(bound, one)}" for bound in self.bounds]
        if said:
            several = f", in {listed(self.currencies)} at once" if not one and self.currencies else ""
            return f" {listed(said)}{several}"
        return f" in {listed(dict.fromkeys(self.currencies))}" if self.currencies else ""

    @staticmethod
    def _value(bound: Comparison, currency: str) -> str:
        value = int(bound.operand.value)
        return format_money(value, currency) if currency else f"{number_words(value)} minor units of any currency"


def sentences_of(read: ReadSet, setting: Setting) -> dict[str, str]:
    """The sentence of each policy by its id."""
    return {policy.id: sentence_of(policy, read, setting) for policy in read.policies}


def sentence_of(policy: ReadPolicy, read: ReadSet, setting: Setting) -> str:
    """“Credit memos over €500.00 need one of finance-approvers within 8 hours.”"""
    subject, is_plural = _subject(policy, setting)
    amounts, phrases = _conditions(policy, read.parameters)
    amount = " or".join(amount.words() for amount in amounts)
    where = f" where {listed(phrases)}" if phrases else ""
    unless = _unless(policy, read)
    verdict = _verdict(policy, setting.tools, is_plural=is_plural)
    said = f"{subject}{_place(policy)}{amount}{_who(policy, setting.process)}{where} {verdict}{unless}{_masked(policy)}"
    return f"{said[:1].upper()}{said[1:]}{_with(policy, read, said)}."


def conditions_said(policy: ReadPolicy, read: ReadSet) -> str:
    """When it applies, its head aside: “over €500.00 where the data is of class “personal””; "" for always."""
    amounts, phrases = _conditions(policy, read.parameters)
    where = f" where {listed(phrases)}" if phrases else ""
    said = f"{' or'.join(amount.words() for amount in amounts)}{where}{_unless(policy, read)}".strip(" ,")
    return f"{said}{_with(policy, read, said)}"


def spoken_of(tool: str, setting: Setting) -> str:
    """How a tool is called: “Credit memos”."""
    others = [each.name for each in setting.tools if each.effect != "read"]
    return tool_words(tool, setting.titles.get(tool, ""), others)[0]


def _subject(policy: ReadPolicy, setting: Setting) -> tuple[str, bool]:
    named = [name for kind, name in scope_entities(policy.action) if kind == "Action"]
    if policy.action["op"] not in ("==", "in", "All") or (policy.action["op"] != "All" and not named):
        return f"Acts {scope_text(policy.action)}", True
    if not named:
        return "Any act", False
    others = [tool.name for tool in setting.tools if tool.effect != "read"]
    words = [
        _GROUPS[name] if name in _GROUPS else tool_words(name, setting.titles.get(name, ""), others) for name in named
    ]
    first, *rest = words
    return listed([first[0], *(_lowered(word) for word, _ in rest)]), bool(rest) or first[1]


def _lowered(word: str) -> str:
    return word if word.startswith("“") else f"{word[:1].lower()}{word[1:]}"


def _place(policy: ReadPolicy) -> str:
    entities = scope_entities(policy.resource)
    if policy.resource["op"] == "All":
        return ""
    if policy.resource["op"] in ("in", "==") and all(kind == "Connector" for kind, _ in entities):
        return f" in {listed(name for _, name in entities)}"
    return f" on {scope_text(policy.resource)}"


def _who(policy: ReadPolicy, process: str) -> str:
    entities = scope_entities(policy.principal)
    if policy.principal["op"] == "All" or (process and entities == (("Process", process),)):
        return ""
    said = {"Process": "agents of {}", "Team": "agents of team {}", "Agent": "agent {}"}
    if policy.principal["op"] not in ("in", "==") or any(kind not in said for kind, _ in entities):
        return f" by {scope_text(policy.principal)}"
    return f" by {listed((said[kind].format(name) for kind, name in entities), 'or')}"


def _verdict(policy: ReadPolicy, tools: tuple[ToolFacts, ...], *, is_plural: bool) -> str:
    are, need = ("are", "need") if is_plural else ("is", "needs")
    if policy.effect == "forbid":
        return f"{are} forbidden"
    if policy.demand is not None:
        return f"{need} {demand_words(policy.demand)}"
    if "approval" in policy.annotations:
        return f"{need} people's approval that cannot be read"
    covered = policy.tools(tools)
    if any(tool.is_irreversible for tool in covered):
        return f"{are} allowed; what cannot be undone still needs one of the process's owners"
    return f"{need} nobody" if covered else f"{are} allowed"


def _masked(policy: ReadPolicy) -> str:
    """What `@redact` keeps from the agent."""
    names = [name.strip() for name in policy.annotations.get("redact", "").split(",") if name.strip()]
    return f"; the agent gets the result with {listed(f'“{name}”' for name in names)} masked" if names else ""


def _conditions(policy: ReadPolicy, parameters: Parameters) -> tuple[list[_Amount], list[str]]:
    """What the `when`s say, the amount apart; several amounts are alternatives."""
    amount, either, phrases = _Amount(), list[_Amount](), list[str]()
    whens = [condition for condition in policy.conditions if condition.kind == "when"]
    nodes = [node for condition in whens for node in _all(condition.body)]
    has_amount = any(_Amount().takes(node, parameters) for node in nodes)
    for node in nodes:
        if amount.takes(node, parameters):
            continue
        if "||" in node and not has_amount and not either and (several := _amounts_of(node, parameters)):
            either = several
        elif not _is_only_presence(node, nodes) and node != {"Value": True}:
            phrases.append(_phrase(node, parameters))
    return either or [amount], phrases


def _amounts_of(node: Expression, parameters: Parameters) -> list[_Amount]:
    """The amounts between which it leaves the choice; none where it says anything else besides."""
    found = []
    for conjuncts in alternatives_of(node, True):
        amount = _Amount()
        if not all(holds and amount.takes(each, parameters) for each, holds in conjuncts):
            return []
        found.append(amount)
    return found


def _all(node: Expression) -> list[Expression]:
    return [*_all(node["&&"]["left"]), *_all(node["&&"]["right"])] if "&&" in node else [node]


def _is_only_presence(node: Expression, nodes: list[Expression]) -> bool:
    """`context has x` beside something said of x: that says it."""
    if "has" not in node:
        return False
    path = next(paths_in(node), None)
    if path is None:
        return False
    others = (found for other in nodes if "has" not in other for found in paths_in(other))
    return any(found[: len(path)] == path for found in others)


def _phrase(node: Expression, parameters: Parameters) -> str:
    """One condition in words, or as it is written."""
    return _said(node, parameters, holds=True) or f"`{written(node)}`"


def _said(node: Expression, parameters: Parameters, *, holds: bool) -> str:
    if "!" in node:
        return _said(node["!"]["arg"], parameters, holds=not holds)
    comparison = comparison_of(node, parameters)
    if comparison is not None:
        return _compared(comparison, parameters, holds=holds)
    if "has" in node and (paths := list(paths_in(node))):
        return f"{_name(paths[0])} is {'given' if holds else 'not given'}"
    if "contains" in node:
        return _contained(node["contains"], parameters, holds=holds)
    for form, (yes, no) in _DECIMAL.items():
        if form in node:
            return _decimal(node[form], yes if holds else no)
    return ""


def _compared(comparison: Comparison, parameters: Parameters, *, holds: bool) -> str:
    operator = comparison.operator if holds else OPPOSITE[comparison.operator]
    value = comparison.operand.value
    if comparison.path in (MINOR, CURRENCY):
        return "" if comparison.path == MINOR else f"the currency is {'' if operator == '==' else 'not '}{value}"
    name = _name(comparison.path)
    if isinstance(value, str | bool):
        shown = f"“{value}”" if isinstance(value, str) else ("true" if value else "false")
        return f"{name} is {'' if operator == '==' else 'not '}{shown}" if operator in ("==", "!=") else ""
    kinds = dict(parameters.types)
    is_duration = kinds.get(comparison.operand.parameter) == "duration"
    return f"{name} is {_COMPARED[operator]} {duration_words(value) if is_duration else number_words(value)}"


def _contained(body: Mapping[str, Expression], parameters: Parameters, *, holds: bool) -> str:
    """`data_classes.contains("x")`, and `[…].contains(region)`."""
    whole, part = body["left"], body["right"]
    path = path_of(whole) if "." in whole else None
    literal = operand_of(part, parameters)
    if path is not None and path[0] != "params" and literal is not None and isinstance(literal.value, str):
        if path == ("data_classes",):
            return f"the data is {'' if holds else 'not '}of class “{literal.value}”"
        return f"{_name(path)} {'includes' if holds else 'does not include'} “{literal.value}”"
    choices, asked = _texts(whole, parameters), path_of(part) if "." in part else None
    if choices is None or asked is None or asked[0] == "params":
        return ""
    one_of = listed((f"“{choice}”" for choice in choices), "or") if choices else "an empty list"
    return f"{_name(asked)} is {'' if holds else 'not '}{one_of}"


def _texts(node: Expression, parameters: Parameters) -> list[str] | None:
    if "Set" in node:
        values = [item.get("Value") for item in node["Set"]]
    else:
        operand = operand_of(node, parameters)
        values = operand.value if operand is not None and isinstance(operand.value, list) else [None]
    return values if all(isinstance(value, str) for value in values) else None


def _decimal(arguments: list[Expression], compared: str) -> str:
    path = path_of(arguments[0]) if "." in arguments[0] else None
    constant = arguments[1].get("decimal", [{}])[0].get("Value") if "decimal" in arguments[1] else None
    return f"{_name(path)} is {compared} {constant}" if path and path[0] != "params" and constant is not None else ""


def _name(path: tuple[str, ...]) -> str:
    """What of the call it is: “days since delivery”."""
    if path in _NAMED:
        return _NAMED[path]
    if path[0] == "arguments" and len(path) > 1:
        return f"the argument {'.'.join(path[1:])}"
    return f"the {' '.join(path).replace('_', ' ')}"


def _unless(policy: ReadPolicy, read: ReadSet) -> str:
    said = [_unless_words(each, read.parameters) for each in policy.conditions if each.kind == "unless"]
    return f", unless {listed(said, 'or')}" if said else ""


def _unless_words(condition: Condition, parameters: Parameters) -> str:
    phrases = [_said(node, parameters, holds=True) for node in _all(condition.body)]
    return listed(phrases) if all(phrases) else f"`{written(condition.body)}`"


def _with(policy: ReadPolicy, read: ReadSet, said: str) -> str:
    """The values of parameters that the sentence names only as they are written."""
    named = dict.fromkeys(
        path[1] for each in policy.conditions for path in paths_in(each.body) if path[0] == "params" and len(path) > 1
    )
    values = [
        f"{name} is {parameter_words(read.stored_parameters[name])}"
        for name in named
        if f"context.params.{name}" in said and name in read.stored_parameters
    ]
    return f" ({listed(values)})" if values else ""
