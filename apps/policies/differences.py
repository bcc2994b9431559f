"""What is different between two versions of a set, in three levels: sentences, rules and parameters, text. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from apps.policies.cedar_text import TextError
from apps.policies.reading import ReadPolicy, ReadSet, canonical_text, parameters_in, read_set
from apps.policies.sentences import Setting, sentence_of
from apps.policies.wording import parameter_words

Change = Literal["added", "removed", "changed", "same"]
# Lines around a change that are shown with it.
CONTEXT_LINES = 2
# Beyond, lines that stand everywhere are no anchors: comparing them all takes minutes.
MOST_LINES_EXACT = 2_000
_SCOPES = ("principal", "action", "resource")


@dataclass(frozen=True, slots=True)
class Content:
    """What of a version may differ from another."""

    text: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing of a rule, or of a parameter, before and after; "" where it is not there."""

    name: str
    before: str
    after: str

    @property
    def change(self) -> Change:
        return "added" if not self.before else "changed" if self.after else "removed"


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One rule in both versions, told apart by its @id. `before` and `after` are its sentences."""

    id: str
    change: Change
    before: str
    after: str
    fields: tuple[Field, ...] = ()
    parameters: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A line of canonical text: kept, removed or added, with its numbers before and after; 0 where it is not."""

    kind: Literal["kept", "removed", "added"]
    text: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines in a row. `folded` are unchanged ones that need not be read."""

    lines: tuple[Line, ...]
    is_folded: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """`problem` says why rules could not be compared; then there is text alone."""

    rules: tuple[RuleChange, ...]
    parameters: tuple[Field, ...]
    text: tuple[Piece, ...]
    problem: str = ""

    @property
    def changed_rules(self) -> tuple[RuleChange, ...]:
        return tuple(rule for rule in self.rules if rule.change != "same")

    @property
    def is_empty(self) -> bool:
        return not self.changed_rules and not self.parameters and all(piece.is_folded for piece in self.text)

    @property
    def summary(self) -> str:
        """“changed 2 rules, added 1 rule, changed 1 parameter”."""
        said = []
        for change in ("changed", "added", "removed"):
            count = sum(rule.change == change for rule in self.rules)
            said += [f"{change} {count} rule{'' if count == 1 else 's'}"] if count else []
        for change in ("changed", "added", "removed"):
            count = sum(field.change == change for field in self.parameters)
            said += [f"{change} {count} parameter{'' if count == 1 else 's'}"] if count else []
        if not said and not self.is_empty:
            return "changed the text alone"
        return ", ".join(said) or "changed nothing"

    def as_json(self) -> dict[str, Any]:
        return {
            "summary": self.summary,
            "problem": self.problem,
            "rules": [
                {
                    "id": rule.id,
                    "change": rule.change,
                    "before": rule.before,
                    "after": rule.after,
                    "fields": [_as_json(each) for each in (*rule.fields, *rule.parameters)],
                }
                for rule in self.changed_rules
            ],
            "parameters": [_as_json(each) for each in self.parameters],
            "text": [
                {"kind": line.kind, "text": line.text, "before": line.before, "after": line.after}
                for piece in self.text
                if not piece.is_folded
                for line in piece.lines
            ],
        }


def difference(before: Content, after: Content, setting: Setting) -> Difference:
    """Everything that is different. The order of the rules is that of `after`, what was removed last."""
    parameters = _parameters(before.parameters, after.parameters)
    text = _text(canonical_text(before.text), canonical_text(after.text))
    try:
        old, new = read_set(before.text, before.parameters), read_set(after.text, after.parameters)
    except TextError as error:
        return Difference((), parameters, text, problem=error.sentence)
    was, is_now = old.by_id(), new.by_id()
    names = [*is_now, *(name for name in was if name not in is_now)]
    rules = tuple(_rule(name, was.get(name), is_now.get(name), old, new, setting) for name in names)
    return Difference(rules, parameters, text)


def _rule(
    name: str, before: ReadPolicy | None, after: ReadPolicy | None, old: ReadSet, new: ReadSet, setting: Setting
) -> RuleChange:
    said_before = sentence_of(before, old, setting) if before else ""
    said_after = sentence_of(after, new, setting) if after else ""
    was, is_now = fields_of(before), fields_of(after)
    fields = tuple(
        Field(key, was.get(key, ""), is_now.get(key, ""))
        for key in dict.fromkeys([*was, *is_now])
        if was.get(key, "") != is_now.get(key, "")
    )
    read = (parameters_in(before) if before else frozenset()) | (parameters_in(after) if after else frozenset())
    values = tuple(field for field in _parameters(old.stored_parameters, new.stored_parameters) if field.name in read)
    if before is None or after is None:
        return RuleChange(name, "added" if before is None else "removed", said_before, said_after, fields)
    change: Change = "changed" if fields or values else "same"
    return RuleChange(name, change, said_before, said_after, fields, values)


def fields_of(policy: ReadPolicy | None) -> dict[str, str]:
    """What the table of rules shows of one: effect, head, conditions, and every annotation but its name."""
    if policy is None:
        return {}
    scopes = policy.scopes
    return {
        "effect": policy.effect,
        **{name: scopes[name] or "any" for name in _SCOPES},
        "conditions": "\n".join(condition.text for condition in policy.conditions),
        **{name: value for name, value in sorted(policy.annotations.items()) if name != "id"},
    }


def _parameters(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Field, ...]:
    """Parameters that are another value, or there in one version alone."""
    return tuple(
        Field(
            name,
            parameter_words(before[name]) if name in before else "",
            parameter_words(after[name]) if name in after else "",
        )
        for name in sorted({*before, *after})
        if _meant(before.get(name)) != _meant(after.get(name))
    )


def _meant(stored: Any) -> Any:
    """A parameter without its label, which decides nothing."""
    return {key: value for key, value in stored.items() if key != "label"} if isinstance(stored, Mapping) else stored


def _text(before: str, after: str) -> tuple[Piece, ...]:
    old, new = before.splitlines(), after.splitlines()
    pieces: list[Piece] = []
    is_long = max(len(old), len(new)) > MOST_LINES_EXACT
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=is_long).get_opcodes():
        if kind == "equal":
            kept = [Line("kept", old[i1 + n], i1 + n + 1, j1 + n + 1) for n in range(i2 - i1)]
            pieces += _folded(kept, is_first=i1 == 0 and j1 == 0, is_last=i2 == len(old) and j2 == len(new))
            continue
        removed = [Line("removed", old[n], n + 1, 0) for n in range(i1, i2)]
        added = [Line("added", new[n], 0, n + 1) for n in range(j1, j2)]
        pieces.append(Piece((*removed, *added), is_folded=False))
    return tuple(pieces)


def _folded(kept: list[Line], *, is_first: bool, is_last: bool) -> list[Piece]:
    """The lines beside a change stay open; those further away fold."""
    head = 0 if is_first else CONTEXT_LINES
    tail = 0 if is_last else CONTEXT_LINES
    if len(kept) <= head + tail + 1 and not (is_first and is_last):
        return [Piece(tuple(kept), is_folded=False)] if head + tail else [Piece(tuple(kept), is_folded=True)]
    middle = kept[head : len(kept) - tail]
    parts = ((kept[:head], False), (middle, True), (kept[len(kept) - tail :], False))
    return [Piece(tuple(lines), folded) for lines, folded in parts if lines]


def _as_json(each: Field) -> dict[str, str]:
    return {"name": each.name, "before": each.before, "after": each.after}
