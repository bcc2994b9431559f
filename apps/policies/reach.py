"""What of the tools a set of policies can reach, and one hash for all of it: what was reviewed stays what decides as
long as that hash is the same, whatever else changes in the registry. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.canonical import digest
from apps.policies.arguments import RecordOf, Shape
from apps.policies.cedar_text import TextError
from apps.policies.parameters import read_parameters
from apps.policies.partial import Given, left_of
from apps.policies.reading import ReadPolicy, path_of, read_policies
from apps.policies.schema import action_groups, argument_shape, cedar_type, schema_json
from apps.policies.verdicts import ToolFacts

Path = tuple[str, ...]
# All of the context.
WHOLE: Path = ()


@dataclass(frozen=True, slots=True)
class Reached:
    """One tool as a set sees it: the rules that may apply to a call of it, those of them that forbid, and what they can
    tell of it.
    """

    rules: tuple[str, ...]
    forbids: tuple[str, ...]
    facts: Mapping[str, Any]


def reached_by(text: str, parameters: Any, process: str, tools: Iterable[ToolFacts]) -> dict[str, Reached]:
    """The tools of which a call of an agent of this process (of any, for "") may be decided by some rule, by name. What
    no rule can apply to is not decided by the set, however it is defined. Raises TextError for an unreadable text.
    """
    read = read_parameters(parameters)[0]
    policies = read_policies(text)
    found: dict[str, Reached] = {}
    for tool in tools:
        given = Given(tool, read, process=process)
        left = [policy for policy in policies if left_of(policy, given) is not None]
        if left:
            forbids = tuple(policy.id for policy in left if policy.effect == "forbid")
            found[tool.name] = Reached(tuple(policy.id for policy in left), forbids, _facts(tool, left))
    return found


def reach_hash(text: str, parameters: Any, process: str, tools: Iterable[ToolFacts]) -> str:
    """SHA-256 of the types of the parameters and of all that the set can tell of the tools it reaches."""
    tools = list(tools)
    types = read_parameters(parameters)[0].types
    try:
        reached = reached_by(text, parameters, process, tools)
    except TextError:
        return digest(schema_json(tools, types))
    seen = {name: {"rules": list(each.rules), **each.facts} for name, each in reached.items()}
    return digest({"parameters": [list(each) for each in types], "tools": seen})


def _facts(tool: ToolFacts, policies: Iterable[ReadPolicy]) -> dict[str, Any]:
    """What the registry says of it that these rules can read; of its arguments those that are named in them."""
    paths = {path for policy in policies for condition in policy.conditions for path in reads(condition.body)}
    record = argument_shape(tool).record
    if WHOLE in paths or ("arguments",) in paths:
        arguments: Any = cedar_type(record)
    else:
        named = sorted({path[1:] for path in paths if path[0] == "arguments"})
        arguments = {".".join(path): _seen_of(record, path) for path in named}
    return {
        "connector": tool.connector,
        "effect": tool.effect,
        "groups": list(action_groups(tool)),
        "irreversible": tool.is_irreversible,
        "data_classes": sorted(tool.data_classes),
        "money": tool.has_money,
        "arguments": arguments,
    }


def reads(node: Any) -> Iterator[Path]:
    """Every `context.…` an expression reads, the longest of each; () where it takes the context as a whole."""
    if isinstance(node, Mapping):
        if node == {"Var": "context"}:
            yield WHOLE
            return
        path = path_of(node) if "." in node else None
        if path is not None:
            yield path
            return
        if "has" in node and isinstance(node["has"].get("attr"), str):
            owner = node["has"]["left"]
            left = WHOLE if owner == {"Var": "context"} else path_of(owner) if "." in owner else None
            if left is not None:
                yield (*left, node["has"]["attr"])
                return
        for part in node.values():
            yield from reads(part)
    elif isinstance(node, list):
        for part in node:
            yield from reads(part)


def _seen_of(record: RecordOf, path: Path) -> list[Any]:
    """[type, required] of each step; the last is whole. What is not there ends it."""
    found: list[Any] = []
    shape: Shape = record
    for step in path:
        inner = (
            next((each for each in shape.fields if each.name == step), None) if isinstance(shape, RecordOf) else None
        )
        if inner is None:
            return [*found, None]
        shape = inner.shape
        kind = "Record" if isinstance(shape, RecordOf) else cedar_type(shape)
        found.append([kind, inner.is_required])
    return [*found, cedar_type(shape)]
