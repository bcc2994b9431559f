"""What must hold for a policy to apply, as far as it can be said for certain: numbers between bounds, texts out of a
few. Each fact follows from the conditions, so what contradicts itself here can never apply, and two that contradict
each other never apply together. What is not understood is left out, which is safe for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.policies.expressions import Expression, written
from apps.policies.parameters import Parameters
from apps.policies.reading import Conjuncts, ReadPolicy, path_of, paths_in

LEAST, MOST = -(2**63), 2**63 - 1
Path = tuple[str, ...]

# What holds when the comparison does not, and what it is with its sides exchanged.
OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}


@dataclass(frozen=True, slots=True)
class Operand:
    """A constant, from the text or from a parameter. `parameter` is its name, `part` that of a money's half."""

    value: Any
    parameter: str = ""
    part: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`context.<path> <operator> <constant>`, whichever way round it was written."""

    path: Path
    operator: str
    operand: Operand


@dataclass(slots=True)
class Facts:
    """`numbers` are (least, most), both included; `texts` what a text may be, `not_texts` what it is not."""

    numbers: dict[Path, tuple[int, int]] = field(default_factory=dict)
    texts: dict[Path, frozenset[str]] = field(default_factory=dict)
    not_texts: dict[Path, frozenset[str]] = field(default_factory=dict)
    is_impossible: bool = False

    def holds_never(self) -> bool:
        return (
            self.is_impossible
            or any(least > most for least, most in self.numbers.values())
            or any(not texts - self.not_texts.get(path, frozenset()) for path, texts in self.texts.items())
        )

    def excludes(self, other: Facts) -> bool:
        """Whether no call meets both. The same path is the same value in every set, parameters aside."""
        numbers = any(
            min(most, other.numbers[path][1]) < max(least, other.numbers[path][0])
            for path, (least, most) in self.numbers.items()
            if path in other.numbers
        )
        texts = any(not self._left(path) & other._left(path) for path in self.texts if path in other.texts)
        barred = any(not self._left(path) - other.not_texts.get(path, frozenset()) for path in self.texts)
        mirrored = any(not other._left(path) - self.not_texts.get(path, frozenset()) for path in other.texts)
        return numbers or texts or barred or mirrored

    def _left(self, path: Path) -> frozenset[str]:
        return self.texts[path] - self.not_texts.get(path, frozenset())

    def implies(self, other: Comparison, *, holds: bool) -> bool:
        """Whether whatever meets these facts meets the comparison, too."""
        operator = other.operator if holds else OPPOSITE[other.operator]
        value = other.operand.value
        if isinstance(value, str):
            if operator == "==":
                return other.path in self.texts and self._left(other.path) <= {value}
            is_barred = value in self.not_texts.get(other.path, frozenset())
            return is_barred or (other.path in self.texts and value not in self.texts[other.path])
        if not _is_number(value) or other.path not in self.numbers:
            return False
        least, most = self.numbers[other.path]
        answers: dict[str, bool] = {
            "<": most < value,
            "<=": most <= value,
            ">": least > value,
            ">=": least >= value,
            "==": least == most == value,
            "!=": value < least or value > most,
        }
        return answers[operator]


def operand_of(node: Expression, parameters: Parameters) -> Operand | None:
    """The constant it is, None for what depends on the call."""
    if "Value" in node and isinstance(node["Value"], bool | int | str):
        return Operand(node["Value"])
    path = path_of(node) if "." in node else None
    if path is None or path[0] != "params" or len(path) < 2:
        return None
    value: Any = parameters.values.get(path[1])
    if len(path) == 3 and isinstance(value, Mapping):
        return Operand(value.get(path[2]), path[1], path[2]) if path[2] in value else None
    return Operand(value, path[1]) if len(path) == 2 and value is not None else None


def comparison_of(node: Expression, parameters: Parameters) -> Comparison | None:
    """The node as a comparison of something of the call with a constant; None of anything else."""
    [(operator, body)] = node.items()
    if operator not in OPPOSITE:
        return None
    for left, right, said in (
        (body["left"], body["right"], operator),
        (body["right"], body["left"], MIRRORED[operator]),
    ):
        path = path_of(left) if "." in left else None
        operand = operand_of(right, parameters)
        if path is not None and path[0] != "params" and operand is not None:
            return Comparison(path, said, operand)
    return None


def facts_of(conjuncts: Conjuncts, parameters: Parameters) -> Facts:
    """What certainly holds where all of these do."""
    facts = Facts()
    for node, holds in conjuncts:
        if node in ({"Value": True}, {"Value": False}):
            facts.is_impossible |= node["Value"] is not holds
            continue
        comparison = comparison_of(node, parameters)
        if comparison is not None:
            _take(facts, comparison, holds)
    return facts


def possible(policy: ReadPolicy, parameters: Parameters) -> tuple[Facts, ...]:
    """What holds of the calls it applies to, its head aside, one for each way in which it can come to apply. None: it
    never applies.
    """
    found = (facts_of(conjuncts, parameters) for conjuncts in policy.alternatives)
    return tuple(facts for facts in found if not facts.holds_never())


def are_apart(one: Iterable[Facts], other: Iterable[Facts]) -> bool:
    """Whether no call meets both, whichever way."""
    others = tuple(other)
    return all(first.excludes(second) for first in one for second in others)


def is_covered(
    policy: ReadPolicy, by: ReadPolicy, parameters: Parameters, by_parameters: Parameters | None = None
) -> bool:
    """Whether `by` certainly applies to every call that `policy` applies to, as far as their conditions go.
    `by_parameters` are those of another set, where it is of another.
    """
    return all(
        any(_is_implied(wanted, conjuncts, parameters, by_parameters) for wanted in by.alternatives)
        for conjuncts in policy.alternatives
        if not facts_of(conjuncts, parameters).holds_never()
    )


def _is_implied(
    wanted: Conjuncts, given: Conjuncts, parameters: Parameters, wanted_parameters: Parameters | None
) -> bool:
    facts = facts_of(given, parameters)
    # what is written alike says the same only where the parameters in it are the same
    said = {(written(node), holds) for node, holds in given if wanted_parameters is None or not _reads_parameters(node)}
    for node, holds in wanted:
        if (written(node), holds) in said or node == {"Value": holds}:
            continue
        comparison = comparison_of(node, wanted_parameters or parameters)
        if comparison is None or not facts.implies(comparison, holds=holds):
            return False
    return True


def _reads_parameters(node: Expression) -> bool:
    return any(path[0] == "params" for path in paths_in(node))


def _take(facts: Facts, comparison: Comparison, holds: bool) -> None:
    operator = comparison.operator if holds else OPPOSITE[comparison.operator]
    path, value = comparison.path, comparison.operand.value
    if isinstance(value, str):
        if operator == "==":
            facts.texts[path] = facts.texts.get(path, frozenset({value})) & {value}
        elif operator == "!=":
            facts.not_texts[path] = facts.not_texts.get(path, frozenset()) | {value}
        return
    if not _is_number(value) or operator == "!=":
        return
    least, most = facts.numbers.get(path, (LEAST, MOST))
    if operator in (">", ">=", "=="):
        least = max(least, value + 1 if operator == ">" else value)
    if operator in ("<", "<=", "=="):
        most = min(most, value - 1 if operator == "<" else value)
    facts.numbers[path] = (least, most)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
