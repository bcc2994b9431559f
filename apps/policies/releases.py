"""A stored release made ready to decide: its policies one by one, what stands on each, and its parameters. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from cedarpy import Decision, Entities, PolicySet, Schema, is_authorized, policies_to_json_str

from apps.core.canonical import digest
from apps.core.errors import Invalid
from apps.core.memory import BoundedCache
from apps.policies.cedar_text import Statement, TextError, parse_error, statements
from apps.policies.heads import Head, head_of
from apps.policies.obligations import (
    DEFAULT_EXPIRES_SECONDS,
    Demand,
    parse_chain,
    parse_duration,
    parse_escalations,
    parse_redactions,
)
from apps.policies.parameters import CEDAR_TYPES, Parameters, read_parameters
from apps.policies.reading import Condition, conditions_of
from apps.policies.schema import ENTITY_TYPES
from apps.policies.verdicts import PolicyRef, ReleaseRef

_CONTEXT = {"Var": "context"}
_PARAMS = {".": {"left": _CONTEXT, "attr": "params"}}
_NO_POLICIES = PolicySet.from_str("")
_NO_ENTITIES = Entities.from_json_str("[]")

_releases: BoundedCache[UUID, LoadedRelease] = BoundedCache(200)


@dataclass(frozen=True, slots=True)
class Terms:
    """One policy. `demand` is what a permit asks of people, or None; `redact` what it wants masked; `parameters` the
    names it reads, and `context` those of the rest of the context, or None where it may read any.
    """

    source: str
    head: Head
    parameters: frozenset[str] | None
    context: frozenset[str] | None
    ref: PolicyRef
    demand: Demand | None
    redact: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def may_read(self, parameter: str) -> bool:
        return self.parameters is None or parameter in self.parameters


@dataclass(frozen=True, slots=True)
class LoadedRelease:
    """A release made ready to decide. Where `problem` is not empty it could not be, and everything it has a say in is
    denied.
    """

    ref: ReleaseRef
    terms: tuple[Terms, ...] = ()
    parameters: Parameters = field(default_factory=lambda: Parameters((), {}))
    problem: str = ""


def content_hash(text: str, parameters: dict[str, Any]) -> str:
    """What a release is: SHA-256 over canonical text and parameters. Raises Invalid for parameters JSON cannot carry
    exactly.
    """
    return digest({"text": text, "parameters": parameters})


def cached_release(release_id: UUID) -> LoadedRelease | None:
    """A release this process has loaded before. Releases never change, so it is never stale."""
    return _releases.get(release_id)


def cache_release(release_id: UUID, release: LoadedRelease) -> LoadedRelease:
    return _releases.put(release_id, release)


def load_release(ref: ReleaseRef, *, text: str, parameters: dict[str, Any]) -> LoadedRelease:
    """Parse a stored release. Never raises: what cannot be read comes back with its `problem`."""
    try:
        return _load(ref, text, parameters)
    except (Invalid, TextError) as error:
        why = error.sentence
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = str(error)
    except BaseException as error:
        if not is_panic(error):
            raise
        why = "Cedar breaks on them."
    return LoadedRelease(ref, problem=f"The policies {ref} cannot be read, so nothing is allowed: {why}")


def is_panic(error: BaseException) -> bool:
    """Whether it is what a fault inside Cedar raises: no Exception, and importable from nowhere."""
    return type(error).__name__ == "PanicException"


def _load(ref: ReleaseRef, text: str, parameters: dict[str, Any]) -> LoadedRelease:
    if content_hash(text, parameters) != ref.content_hash:
        raise ValueError("They are not what was released.")
    read, problems = read_parameters(parameters)
    if problems:
        raise ValueError(problems[0])
    _refuse_odd_values(read)
    found = statements(text)
    for statement in found:
        if flaw := parse_error(statement):
            raise flaw
    parsed = json.loads(policies_to_json_str(text))
    policies = parsed["staticPolicies"]
    if parsed["templates"]:
        raise ValueError("They contain a template.")
    if len(policies) != len(found):
        raise ValueError("They are not the policies they seem to be.")
    terms = (_terms(ref, policies[f"policy{number}"], statement) for number, statement in enumerate(found))
    return LoadedRelease(ref, tuple(terms), read)


def _refuse_odd_values(parameters: Parameters) -> None:
    """Raise ValueError where Cedar cannot carry them. A decision holds its call against a schema and relies on this for
    the parameters.
    """
    attributes = {name: CEDAR_TYPES[kind] for name, kind in parameters.types}
    context = {"type": "Record", "attributes": attributes}
    probe = {"appliesTo": {"principalTypes": ["Agent"], "resourceTypes": ["Tool"], "context": context}}
    schema = Schema.from_json_str(json.dumps({"": {"entityTypes": ENTITY_TYPES, "actions": {"probe": probe}}}))
    request = {
        "principal": {"type": "Agent", "id": "probe"},
        "action": {"type": "Action", "id": "probe"},
        "resource": {"type": "Tool", "id": "probe"},
        "context": json.dumps(parameters.values),
    }
    if is_authorized(request, _NO_POLICIES, _NO_ENTITIES, schema).decision is Decision.NoDecision:
        raise ValueError("Their parameters cannot be carried.")


def _terms(ref: ReleaseRef, policy: Mapping[str, Any], statement: Statement) -> Terms:
    annotations: dict[str, str] = {key: value or "" for key, value in policy.get("annotations", {}).items()}
    if not annotations.get("id") or not annotations.get("says"):
        raise ValueError("A policy in them has no @id or no @says.")
    return Terms(
        source=statement.text,
        head=head_of(policy),
        parameters=_names_behind(_PARAMS, policy["conditions"]),
        context=_names_behind(_CONTEXT, policy["conditions"]),
        ref=PolicyRef(annotations["id"], ref.set, ref.version, annotations["says"]),
        demand=_demand(annotations) if "approval" in annotations else None,
        redact=parse_redactions(annotations["redact"]) if "redact" in annotations else (),
        conditions=conditions_of(policy),
    )


def _demand(annotations: dict[str, str]) -> Demand:
    expires, escalate = annotations.get("expires"), annotations.get("escalate")
    return Demand(
        parse_chain(annotations["approval"]),
        DEFAULT_EXPIRES_SECONDS if expires is None else parse_duration(expires),
        () if escalate is None else parse_escalations(escalate),
    )


def _names_behind(record: Mapping[str, Any], conditions: Any) -> frozenset[str] | None:
    """What stands behind this part of the context, as `minor` in `context.money.minor`; None where all of it may be
    read, because it, or something it stands in, is a value.
    """
    names = frozenset(_read_behind(record, conditions))
    return None if None in names else frozenset(name for name in names if name is not None)


def _read_behind(record: Mapping[str, Any], node: Any) -> Iterator[str | None]:
    if node in (_CONTEXT, record):
        yield None
    elif isinstance(node, Mapping):
        step = node.get(".") or node.get("has")
        if isinstance(step, Mapping) and step.get("left") == record:
            yield step["attr"]
        elif not (isinstance(step, Mapping) and step.get("left") == _CONTEXT):
            for value in node.values():
                yield from _read_behind(record, value)
    elif isinstance(node, list):
        for value in node:
            yield from _read_behind(record, value)
