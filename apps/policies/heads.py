"""Which policies of a release may speak of a call, by their heads alone: what stands before the conditions.

Cedar asks the head first and a head never errs. So a policy whose head does not match neither determines a decision nor
errs in it, and leaving it out changes no answer. A tool is spoken of by a few policies of some hundreds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Uid = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """One of the three parts of a head. None where it asks for nothing of that kind."""

    kind: str | None = None
    exactly: Uid | None = None
    within: frozenset[Uid] | None = None

    def covers(self, entity: Uid, family: frozenset[Uid]) -> bool:
        """`family` is the entity with all it is in."""
        return (
            (self.kind is None or self.kind == entity[0])
            and (self.exactly is None or self.exactly == entity)
            and (self.within is None or not self.within.isdisjoint(family))
        )


@dataclass(frozen=True, slots=True)
class Member:
    """An entity of a call, with what it is in. `family` is both."""

    entity: Uid
    parents: tuple[Uid, ...]
    family: frozenset[Uid]


def member(kind: str, name: str, parents: Iterable[Uid]) -> Member:
    entity, parents = (kind, name), tuple(parents)
    return Member(entity, parents, frozenset([entity, *parents]))


@dataclass(frozen=True, slots=True)
class Head:
    principal: Part
    action: Part
    resource: Part

    def covers(self, principal: Member, action: Member, resource: Member) -> bool:
        return (
            self.action.covers(action.entity, action.family)
            and self.resource.covers(resource.entity, resource.family)
            and self.principal.covers(principal.entity, principal.family)
        )


def head_of(policy: Mapping[str, Any]) -> Head:
    """The head of a policy in Cedar's JSON form. Raises ValueError for a form that is not known here: it would be left
    out where it speaks.
    """
    return Head(_part(policy["principal"]), _part(policy["action"]), _part(policy["resource"]))


def _part(scope: Mapping[str, Any]) -> Part:
    match dict(scope):
        case {"op": "All", **rest} if not rest:
            return Part()
        case {"op": "==", "entity": entity, **rest} if not rest:
            return Part(exactly=_uid(entity))
        case {"op": "in", "entity": entity, **rest} if not rest:
            return Part(within=frozenset([_uid(entity)]))
        case {"op": "in", "entities": entities, **rest} if not rest:
            return Part(within=frozenset(map(_uid, entities)))
        case {"op": "is", "entity_type": str(kind), **rest} if not rest:
            return Part(kind=kind)
        case {"op": "is", "entity_type": str(kind), "in": {"entity": entity}, **rest} if not rest:
            return Part(kind=kind, within=frozenset([_uid(entity)]))
    raise ValueError("A policy in them has a head of an unknown form.")


def _uid(entity: Any) -> Uid:
    match entity:
        case {"type": str(kind), "id": str(name), **rest} if not rest:
            return kind, name
    raise ValueError("A policy in them names something in an unknown form.")
