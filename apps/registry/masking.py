"""Which parts of a document belong to which class of data, as its JSON Schema marks them, and the document without
them. Pure: nothing here knows who looks.

A part is marked by `"x-data-class": "personal"`, on itself or on what holds it. Marks are looked for in everything that
may speak of a part: a branch of `oneOf` counts although another one matched, and a `$ref` is followed. So a mark can
hide too much and never too little.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from apps.registry.schemas import POINTER, Problem, Schema, pointer_of

KEYWORD = "x-data-class"
# Masked for everybody, always; and where no field is named, whatever is text.
SECRET = "secret"  # noqa: S105 - a class of data
PERSONAL = "personal"
MASK = "masked: "
CLASS = re.compile(r"[-a-zA-Z0-9_]{1,40}", re.ASCII)

# Sub-schemas that speak of the same part of the document, of the members of an object, of the elements of a list.
_SAME_LISTS = ("allOf", "anyOf", "oneOf")
_SAME = ("if", "then", "else", "not")
_ANY_MEMBER = ("additionalProperties", "unevaluatedProperties")
_ANY_ELEMENT = ("items", "contains", "additionalItems", "unevaluatedItems")

Node = dict[str, Any]
Classes = frozenset[str]
# Puts something in the place of a value of these classes.
Cover = Callable[[Classes, Any], Any]

NONE: Classes = frozenset()


def mask_of(classes: Classes) -> str:
    """What stands where a value was: “masked: personal”."""
    return MASK + ", ".join(sorted(classes))


def _cover(classes: Classes, value: Any) -> Any:
    return mask_of(classes)


@dataclass(frozen=True, slots=True)
class Place:
    """All that the schema says of one part: the classes it belongs to, and those of what may stand within it."""

    nodes: tuple[Node, ...]
    own: Classes
    in_members: Classes
    in_elements: Classes

    @property
    def within(self) -> Classes:
        return self.in_members | self.in_elements


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one schema. `classes` are all that it names; `every_text` is hidden wherever text stands."""

    schema: Schema
    classes: Classes
    every_text: Classes = NONE
    _places: dict[tuple[int, ...], Place] = field(default_factory=dict, compare=False, repr=False)

    def __bool__(self) -> bool:
        return bool(self.classes or self.every_text)

    def place(self, nodes: Iterable[Any]) -> Place:
        """Of these sub-schemas, which all speak of one part."""
        given = tuple(node for node in nodes if isinstance(node, dict))
        key = tuple(map(id, given))
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = _place(given, self.schema)
        return found

    def member(self, place: Place, name: str) -> Place:
        """What is said of the member of this name."""
        return self.place(_members(place.nodes, name))

    def element(self, place: Place, index: int) -> Place:
        """What is said of the element at this position."""
        return self.place(_elements(place.nodes, index))


def marks_of(schema: Schema | None, *, every_text: Classes = NONE) -> Marks:
    """The marks of a schema that `mark_problems` has nothing against."""
    return Marks(schema or {}, frozenset(_classes_in(schema or {})), every_text)


def masked(document: Any, marks: Marks, hidden: Classes, *, cover: Cover = _cover) -> Any:
    """The document with `cover` in the place of each part of a hidden class. What has another form than the schema says
    is covered whole where something within it is marked. The document itself is not changed; null stays null.
    """
    if not (marks.classes | marks.every_text) & hidden:
        return document
    return _Masking(marks, hidden, cover).of(document, marks.place([marks.schema]))


@dataclass(frozen=True, slots=True)
class _Masking:
    marks: Marks
    hidden: Classes
    cover: Cover

    def of(self, value: Any, place: Place) -> Any:
        if value is None:
            return None
        if own := place.own & self.hidden:
            return self.cover(own, value)
        in_members, in_elements = place.in_members & self.hidden, place.in_elements & self.hidden
        if isinstance(value, dict):
            if in_elements and not in_members:
                return self.cover(in_elements, value)
            return {name: self.of(part, self.marks.member(place, name)) for name, part in value.items()}
        if isinstance(value, list):
            if in_members and not in_elements:
                return self.cover(in_members, value)
            return [self.of(part, self.marks.element(place, index)) for index, part in enumerate(value)]
        if within := in_members | in_elements:
            return self.cover(within, value)
        every_text = self.marks.every_text & self.hidden
        return self.cover(every_text, value) if every_text and isinstance(value, str) else value


def _members(nodes: Iterable[Node], name: str) -> Iterator[Any]:
    """What the sub-schemas say of the member of this name."""
    for node in nodes:
        named = [node["properties"][name]] if name in node.get("properties", {}) else []
        named += [part for pattern, part in node.get("patternProperties", {}).items() if _matches(pattern, name)]
        yield from named or [node[keyword] for keyword in _ANY_MEMBER if keyword in node]


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:  # a form of ECMA's that Python does not have: it may match
        return True


def _elements(nodes: Iterable[Node], index: int) -> Iterator[Any]:
    """What the sub-schemas say of the element at this place; `items` as a list is the older form of `prefixItems`."""
    for node in nodes:
        for listed in (node.get("prefixItems"), node.get("items")):
            if isinstance(listed, list) and index < len(listed):
                yield listed[index]
        yield from (node[keyword] for keyword in _ANY_ELEMENT if isinstance(node.get(keyword), dict))


def _place(given: Iterable[Node], root: Schema) -> Place:
    nodes: list[Node] = []
    seen: set[int] = set()
    for node in given:
        nodes += _same(node, root, seen)
    own = frozenset(node[KEYWORD] for node in nodes if isinstance(node.get(KEYWORD), str))
    # names of members that are themselves of a class cannot be covered one by one
    own |= frozenset(found for node in nodes for found in _below([node.get("propertyNames")], root))
    members = [part for node in nodes for part in _all_members(node)]
    elements = [part for node in nodes for part in _all_elements(node)]
    return Place(tuple(nodes), own, frozenset(_below(members, root)), frozenset(_below(elements, root)))


def _same(node: Any, root: Schema, seen: set[int]) -> Iterator[Node]:
    """The sub-schema and all that hold, or may hold, for the same part."""
    if not isinstance(node, dict) or id(node) in seen:
        return
    seen.add(id(node))
    yield node
    for part in _beside(node, root):
        yield from _same(part, root, seen)


def _beside(node: Node, root: Schema) -> Iterator[Any]:
    for keyword in _SAME_LISTS:
        yield from node.get(keyword, ())
    for keyword in _SAME:
        yield node.get(keyword)
    yield from node.get("dependentSchemas", {}).values()
    for keyword in ("$ref", "$dynamicRef"):
        if keyword in node:
            yield _referred(node[keyword], root)


def _all_members(node: Node) -> Iterator[Any]:
    yield from node.get("properties", {}).values()
    yield from node.get("patternProperties", {}).values()
    yield from (node.get(keyword) for keyword in _ANY_MEMBER)


def _all_elements(node: Node) -> Iterator[Any]:
    for keyword in ("prefixItems", *_ANY_ELEMENT):
        part = node.get(keyword)
        yield from part if isinstance(part, list) else (part,)


def _below(parts: Iterable[Any], root: Schema) -> set[str]:
    """Every class named in these sub-schemas or anywhere within them, references followed."""
    waiting, seen, found = list(parts), set[int](), set[str]()
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node.get(KEYWORD), str):
            found.add(node[KEYWORD])
        waiting += [*_beside(node, root), *_all_members(node), *_all_elements(node), node.get("propertyNames")]
    return found


def _classes_in(schema: Schema) -> set[str]:
    return _below([schema], schema)


def _referred(reference: Any, root: Schema) -> Any:
    """What a reference within the schema leads to; None where it leads nowhere."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    pointer = reference[1:]
    if not POINTER.fullmatch(pointer):
        return None
    value: Any = root
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def marked_at(schema: Schema, pointer: str) -> Classes:
    """The classes of what stands at this place of a document, of anything around it included."""
    marks = marks_of(schema)
    place = marks.place([schema])
    found = place.own
    for token in pointer.split("/")[1:] if pointer != "/" else ():
        name = token.replace("~1", "/").replace("~0", "~")
        parts = [*_members(place.nodes, name)]
        if name.isdigit():
            parts += _elements(place.nodes, int(name))
        place = marks.place(parts)
        found |= place.own
    return found


def mark_problems(schema: Schema) -> list[Problem]:
    """What is wrong with the marks of a schema that is otherwise right."""
    found = list(_mark_problems(schema, ()))
    if _classes_in(schema):
        found += _lost_references(schema, schema, ())
    return found


def _mark_problems(node: Any, path: tuple[str | int, ...]) -> Iterator[Problem]:
    for steps, part in _parts(node):
        yield from _mark_problems(part, path + steps)
    for key in node if isinstance(node, dict) else ():
        at = pointer_of([*path, key])
        if key == KEYWORD and not (isinstance(node[key], str) and CLASS.fullmatch(node[key])):
            yield Problem(at, "A class of data is a name of letters, digits, hyphens and underscores, at most 40.")
        elif key != KEYWORD and re.sub(r"[-_ ]", "", key.lower()) in ("xdataclass", "xdataclasses"):
            yield Problem(at, f"Nothing is hidden by this. It is written “{KEYWORD}”, with one class.")


def _lost_references(node: Any, root: Schema, path: tuple[str | int, ...]) -> Iterator[Problem]:
    """A mark behind a reference that is not followed would be lost."""
    for steps, part in _parts(node):
        yield from _lost_references(part, root, path + steps)
    for keyword in ("$ref", "$dynamicRef"):
        if isinstance(node, dict) and keyword in node and not isinstance(_referred(node[keyword], root), dict | bool):
            sentence = "Where fields are marked, a reference leads to a place in this schema: “#/$defs/…”."
            yield Problem(pointer_of([*path, keyword]), sentence)


def _parts(node: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every sub-schema that stands right within this one, with the steps to it."""
    if not isinstance(node, dict):
        return
    for keyword in ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions"):
        if isinstance(node.get(keyword), dict):
            yield from (((keyword, name), part) for name, part in node[keyword].items())
    for keyword in (*_SAME_LISTS, *_SAME, *_ANY_MEMBER, *_ANY_ELEMENT, "prefixItems", "propertyNames"):
        part = node.get(keyword)
        if isinstance(part, list):
            yield from (((keyword, index), each) for index, each in enumerate(part))
        elif part is not None:
            yield (keyword,), part
