"""Cedar conditions in their JSON form, written out again on one line. Reading the line gives the same JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

Expression: TypeAlias = Mapping[str, Any]

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_RESERVED = frozenset({"true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"})
_RELATIONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_METHODS = frozenset({"contains", "containsAll", "containsAny", "getTag", "hasTag"})
_CONSTRUCTORS = frozenset({"decimal", "ip", "datetime", "duration"})
# How tightly each form binds; what stands inside a tighter one gets brackets.
_IF, _OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _MEMBER = range(8)
_CHAINS = {"||": _OR, "&&": _AND, "+": _SUM, "-": _SUM, "*": _PRODUCT}


def written(expression: Expression) -> str:
    """The expression as Cedar text. Raises ValueError for a form that Cedar's JSON does not have."""
    return _write(expression)[0]


def entity(stored: Mapping[str, str]) -> str:
    """`Team::"finance"`."""
    return f"{stored['type']}::{quoted(stored['id'])}"


def quoted(text: str) -> str:
    """A text as Cedar writes it, with its quotation marks."""
    return f'"{_escaped(text)}"'


def _write(node: Expression) -> tuple[str, int]:
    """The text, and how tightly it binds."""
    [(form, body)] = node.items()
    if form in _CHAINS:
        level = _CHAINS[form]
        return f"{_inside(body['left'], level)} {form} {_inside(body['right'], level + 1)}", level
    if form in _RELATIONS:
        return f"{_inside(body['left'], _SUM)} {form} {_inside(body['right'], _SUM)}", _RELATION
    if form in ("has", "like", "is"):
        return _test(form, body), _RELATION
    if form in ("!", "neg"):
        return f"{'!' if form == '!' else '-'}{_inside(body['arg'], _MEMBER, bare_numbers=False)}", _UNARY
    if form == "if-then-else":
        parts = (f"{word} {_inside(body[word], _OR)}" for word in ("if", "then", "else"))
        return " ".join(parts), _IF
    if form == ".":
        return _inside(body["left"], _MEMBER) + _step(body["attr"]), _MEMBER
    if form in _METHODS:
        return f"{_inside(body['left'], _MEMBER)}.{form}({written(body['right'])})", _MEMBER
    if form == "isEmpty":
        return f"{_inside(body['arg'], _MEMBER)}.isEmpty()", _MEMBER
    return _primary(form, body)


def _primary(form: str, body: Any) -> tuple[str, int]:
    if form == "Value":
        text = _value(body)
        return text, _UNARY if text.startswith("-") else _MEMBER
    if form == "Var":
        return str(body), _MEMBER
    if form == "Set":
        return f"[{', '.join(written(item) for item in body)}]", _MEMBER
    if form == "Record":
        fields = (
            f"{name if _is_word(name) else quoted(name)}: {written(value)}" for name, value in sorted(body.items())
        )
        return f"{{{', '.join(fields)}}}", _MEMBER
    if isinstance(body, list) and body:
        if form in _CONSTRUCTORS:
            return f"{form}({', '.join(written(item) for item in body)})", _MEMBER
        rest = ", ".join(written(item) for item in body[1:])
        return f"{_inside(body[0], _MEMBER)}.{form}({rest})", _MEMBER
    raise ValueError(f"There is no form “{form}” in Cedar's JSON.")


def _inside(node: Expression, level: int, *, bare_numbers: bool = True) -> str:
    text, binds = _write(node)
    is_number = text.isdigit() and not bare_numbers
    return f"({text})" if binds < level or is_number else text


def _test(form: str, body: Mapping[str, Any]) -> str:
    left = _inside(body["left"], _SUM)
    if form == "has":
        return f"{left} has {_key(body['attr'])}"
    if form == "like":
        pattern = "".join("*" if part == "Wildcard" else _literal_of(part) for part in body["pattern"])
        return f'{left} like "{pattern}"'
    within = f" in {_inside(body['in'], _SUM)}" if body.get("in") else ""
    return f"{left} is {body['entity_type']}{within}"


def _literal_of(part: Mapping[str, str]) -> str:
    return _escaped(part["Literal"]).replace("*", r"\*")


def _step(name: str) -> str:
    return f".{name}" if _is_word(name) else f"[{quoted(name)}]"


def _key(name: str) -> str:
    return name if _is_word(name) else quoted(name)


def _is_word(name: str) -> bool:
    return bool(_WORD.fullmatch(name)) and name not in _RESERVED


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping) and "__entity" in value:
        return entity(value["__entity"])
    if isinstance(value, Mapping) and "__extn" in value:
        return f"{value['__extn']['fn']}({_value(value['__extn']['arg'])})"
    raise ValueError("There is no such value in Cedar.")


def _escaped(text: str) -> str:
    return "".join(_escape(character) for character in text)


def _escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"
