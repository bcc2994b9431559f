"""One decision, whole: the releases it was made under, the text of the rules that determined it, and what it was made
from, as this person may see it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.money import format_money
from apps.gateway.models import Decision, ToolCall
from apps.gateway.seen import arguments_for
from apps.policies.evaluation import replay
from apps.policies.models import PolicyRelease
from apps.policies.queries import releases_of
from apps.policies.reading import read_policies
from apps.policies.verdicts import CallFacts, Obligations, ReleaseRef
from apps.policies.wording import chain_words, duration_words, listed
from apps.vault import services as vault


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of a release's text, from 1; `speaks` where it belongs to a rule that determined the decision."""

    number: int
    text: str
    speaks: bool


@dataclass(frozen=True, slots=True)
class ReleaseText:
    """A release a decision was made under. `rules` are its rules that determined it; `lines` is empty where the release
    is no longer there or is not what it was.
    """

    set: str
    version: int
    rules: list[dict[str, Any]]
    lines: list[TextLine]


@dataclass(frozen=True, slots=True)
class Explained:
    """`facts` and `arguments` are what it was made from, None where that was erased. `again` is whether it comes out
    the same when it is made again from them: None where that cannot be tried.
    """

    decision: Decision
    releases: list[ReleaseText]
    built_in: list[dict[str, Any]]
    demands: str
    facts: list[tuple[str, str]] | None
    arguments: Any
    again: bool | None

    @property
    def arguments_text(self) -> str:
        return json.dumps(self.arguments, indent=2, ensure_ascii=False)

    def as_json(self) -> dict[str, Any]:
        decision = self.decision
        return {
            "id": str(decision.id),
            "call_id": str(decision.tool_call_id),
            "moment": decision.moment,
            "outcome": decision.outcome,
            "decided_at": rfc3339(decision.decided_at),
            "policies": decision.policies,
            "obligations": decision.obligations,
            "releases": decision.releases,
            "errors": decision.errors,
            "rules": [
                {
                    "set": release.set,
                    "version": release.version,
                    "id": rule["id"],
                    "lines": [line.number for line in release.lines if line.speaks],
                }
                for release in self.releases
                for rule in release.rules
            ],
            "input": None if self.facts is None else {"facts": dict(self.facts), "arguments": self.arguments},
            "same_again": self.again,
        }


def explained(actor: Actor, call: ToolCall, decisions: Sequence[Decision]) -> list[Explained]:
    """Each decision on this call, which the actor sees, in their order."""
    bodies = vault.read_many([decision.input_id for decision in decisions])
    texts = _texts(decisions)
    return [_explained(actor, call, decision, bodies.get(decision.input_id), texts) for decision in decisions]


def _explained(
    actor: Actor, call: ToolCall, decision: Decision, stored: Any, texts: dict[tuple[str, int], PolicyRelease]
) -> Explained:
    releases = [_release_text(decision, ref, texts) for ref in decision.releases]
    named = {(release.set, release.version) for release in releases}
    return Explained(
        decision=decision,
        releases=releases,
        built_in=[policy for policy in decision.policies if (policy["set"], policy["version"]) not in named],
        demands=_demands(Obligations.from_json(decision.obligations)),
        facts=None if stored is None else _facts(CallFacts.from_json(stored)),
        arguments=None if stored is None else arguments_for(actor, call, stored["arguments"]),
        again=None if stored is None else _again(decision, stored),
    )


def _texts(decisions: Sequence[Decision]) -> dict[tuple[str, int], PolicyRelease]:
    versions = {(ref["set"], ref["version"]) for decision in decisions for ref in decision.releases}
    rows = PolicyRelease.objects.filter(
        policy_set__slug__in={name for name, _ in versions}, version__in={version for _, version in versions}
    ).select_related("policy_set")
    return {(row.policy_set.slug, row.version): row for row in rows}


def _release_text(decision: Decision, ref: dict[str, Any], texts: dict[tuple[str, int], PolicyRelease]) -> ReleaseText:
    name, version = ref["set"], ref["version"]
    rules = [policy for policy in decision.policies if (policy["set"], policy["version"]) == (name, version)]
    row = texts.get((name, version))
    if row is None or row.content_hash != ref["content_hash"]:
        return ReleaseText(name, version, rules, [])
    return ReleaseText(name, version, rules, _lines(row.text, {rule["id"] for rule in rules}))


def _lines(text: str, speaking: set[str]) -> list[TextLine]:
    try:
        policies = read_policies(text)
    except ValueError:
        policies = ()
    spoken: set[int] = set()
    for policy in policies:
        if policy.id in speaking:
            spoken.update(range(policy.line, policy.line + policy.source.rstrip().count("\n") + 1))
    return [TextLine(number, line, number in spoken) for number, line in enumerate(text.splitlines(), 1)]


def _demands(owed: Obligations) -> str:
    said = [f"{chain_words(owed.stages)} within {duration_words(owed.expires_seconds)}"] if owed.stages else []
    return listed([*said, *([f"{listed(owed.redact)} masked"] if owed.redact else [])]) if said or owed.redact else ""


def _facts(facts: CallFacts) -> list[tuple[str, str]]:
    """What policies saw besides the arguments."""
    money = format_money(facts.money.minor, facts.money.currency) if facts.money else ""
    said = {
        "Agent": facts.agent,
        "Process": facts.process,
        "Teams": ", ".join(facts.teams),
        "Tool": facts.tool.name,
        "Effect": facts.tool.effect,
        "Classes of data": ", ".join(facts.tool.data_classes),
        "Environment": facts.environment,
        "Amount": money,
        "Confidence": "" if facts.confidence is None else str(facts.confidence),
        "Calls of the run so far": str(facts.run_calls),
        "Approved by": ", ".join(facts.approved_by),
        "Region": facts.region or "",
        "Customer tier": facts.customer_tier or "",
    }
    return [(name, value) for name, value in said.items() if value]


def _again(decision: Decision, stored: Any) -> bool | None:
    """I11, tried on the spot."""
    refs = [ReleaseRef(ref["set"], ref["version"], ref["content_hash"]) for ref in decision.releases]
    releases = releases_of(refs) if refs else ()
    if len(releases) != len(refs):
        return None
    told = replay(stored, releases).as_json()
    return all(told[name] == getattr(decision, name) for name in ("outcome", "policies", "obligations", "releases"))
