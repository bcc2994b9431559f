"""What cannot be undone is never done alone. A permit that asks nobody still allows it; then the owners of the process
are asked. Here are the rule for one verdict and the search for permits that rely on it.
"""

import json
from collections.abc import Iterable
from typing import Any

from cedarpy import policies_to_json_str

from apps.policies.obligations import DEFAULT_EXPIRES_SECONDS, Demand, strictest
from apps.policies.schema import action_groups
from apps.policies.verdicts import CallFacts, Obligations, Outcome, PolicyRef, StageSpec, ToolFacts

# Not of any set: a rule of the mesh. Its version counts how often the rule has changed.
NEVER_ALONE = PolicyRef("never-alone", "mesh", 1, "What cannot be undone is never done alone")
NOBODY_TO_ASK = "This cannot be undone, and nobody owns the process who could be asked."


def never_alone(facts: CallFacts) -> tuple[Outcome, Obligations, tuple[str, ...]] | None:
    """What becomes of an `allow` without approval: outcome, obligations and errors; None where it stays as it is.

    Facts that were written down before the rule name no owners, and are decided again as they were (I11).
    """
    if not facts.tool.is_irreversible or facts.owner_team is None:
        return None
    if not facts.owner_team:
        return "deny", Obligations(), (NOBODY_TO_ASK,)
    return "require_approval", strictest([owners_demand(facts.owner_team)]), ()


def owners_demand(owner_team: str) -> Demand:
    """Whom the rule asks: one member of the team that owns the process."""
    return Demand((StageSpec(owner_team, 1),), DEFAULT_EXPIRES_SECONDS)


def permits_alone(text: str, tools: Iterable[ToolFacts]) -> list[tuple[str, str]]:
    """(tool, policy id) wherever a permit that asks nobody may allow a tool that cannot be undone, by the permit's head
    alone: what stands in its conditions depends on the call. `text` is valid.
    """
    policies: dict[str, Any] = json.loads(policies_to_json_str(text))["staticPolicies"]
    alone = [
        policy
        for policy in policies.values()
        if policy["effect"] == "permit" and "approval" not in policy.get("annotations", {})
    ]
    return [
        (tool.name, policy.get("annotations", {}).get("id", ""))
        for tool in tools
        if tool.is_irreversible
        for policy in alone
        if _may_match(policy, tool)
    ]


def _may_match(policy: dict[str, Any], tool: ToolFacts) -> bool:
    actions = {("Action", tool.name), *(("Action", group) for group in action_groups(tool))}
    resources = {("Tool", tool.name), ("Connector", tool.connector)}
    return _names(policy["action"], actions) and _names(policy["resource"], resources)


def _names(scope: dict[str, Any], known: set[tuple[str, str]]) -> bool:
    """Whether the head's scope covers one of these entities; a form not known here counts as covering."""
    entities = scope.get("entities") or ([scope["entity"]] if "entity" in scope else [])
    return not entities or any((entity["type"], entity["id"]) in known for entity in entities)
