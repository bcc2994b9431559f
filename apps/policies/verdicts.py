"""What a decision is made of: the facts of one call and the verdict on it. Plain values, no database, no Cedar."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any, Literal

from apps.core.money import Money
from apps.policies.exceptions import ExceptionFacts

Outcome = Literal["allow", "deny", "require_approval"]

NOTHING_PERMITS = "No policy allows this."

# Cedar's decimal carries four digits. What is below them is dropped, never rounded up: 0.89999 does not pass "at least
# 0.9".
CONFIDENCE_STEP = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class ToolFacts:
    """The definition of a tool as far as policies see it. `definition_digest` stands for all of it in caches."""

    name: str
    connector: str
    effect: str
    is_irreversible: bool
    data_classes: tuple[str, ...]
    has_money: bool
    input_schema: dict[str, Any]
    definition_digest: str

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "connector": self.connector,
            "effect": self.effect,
            "is_irreversible": self.is_irreversible,
            "data_classes": sorted(self.data_classes),
            "has_money": self.has_money,
            "input_schema": self.input_schema,
            "definition_digest": self.definition_digest,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> ToolFacts:
        return cls(**{**stored, "data_classes": tuple(stored["data_classes"])})


@dataclass(frozen=True, slots=True)
class CallFacts:
    """Everything a policy may look at. `approved_by`: the teams that have approved, at release; empty at intake.

    `detectors` are those that are installed where it is decided: a permit that demands another one denies. `exceptions`
    are those in force that may concern the call.
    `owner_team` is for the rule about what cannot be undone, and no policy sees it: the team that owns the process, ""
    for none, None where the rule does not apply.
    """

    agent: str
    process: str
    teams: tuple[str, ...]
    tool: ToolFacts
    environment: str
    arguments: dict[str, Any]
    money: Money | None
    confidence: Decimal | float | None
    run_steps: int
    run_calls: int
    run_cost_minor: int
    approved_by: tuple[str, ...] = ()
    region: str | None = None
    customer_tier: str | None = None
    owner_team: str | None = None
    detectors: tuple[str, ...] = ()
    exceptions: tuple[ExceptionFacts, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The complete input, from which `replay` gives the same verdict. It carries the arguments: keep it in the
        vault.
        """
        return {
            "agent": self.agent,
            "process": self.process,
            "teams": sorted(self.teams),
            "tool": self.tool.as_json(),
            "environment": self.environment,
            "arguments": self.arguments,
            "money": None if self.money is None else {"minor": self.money.minor, "currency": self.money.currency},
            "confidence": None if self.confidence is None else str(floor_confidence(self.confidence)),
            "run": {"steps": self.run_steps, "calls": self.run_calls, "cost_minor": self.run_cost_minor},
            "approved_by": sorted(self.approved_by),
            "region": self.region,
            "customer_tier": self.customer_tier,
        } | self._newer_facts()

    def _newer_facts(self) -> dict[str, Any]:
        """What inputs that were stored before do not have."""
        newer: dict[str, Any] = {} if self.owner_team is None else {"owner_team": self.owner_team}
        newer |= {"detectors": list(self.detectors)} if self.detectors else {}
        return newer | ({"exceptions": [one.as_json() for one in self.exceptions]} if self.exceptions else {})

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> CallFacts:
        money, run = stored["money"], stored["run"]
        return cls(
            agent=stored["agent"],
            process=stored["process"],
            teams=tuple(stored["teams"]),
            tool=ToolFacts.from_json(stored["tool"]),
            environment=stored["environment"],
            arguments=stored["arguments"],
            money=None if money is None else Money(money["minor"], money["currency"]),
            confidence=None if stored["confidence"] is None else Decimal(stored["confidence"]),
            run_steps=run["steps"],
            run_calls=run["calls"],
            run_cost_minor=run["cost_minor"],
            approved_by=tuple(stored["approved_by"]),
            region=stored["region"],
            customer_tier=stored["customer_tier"],
            owner_team=stored.get("owner_team"),
            detectors=tuple(stored.get("detectors", ())),
            exceptions=tuple(ExceptionFacts.from_json(one) for one in stored.get("exceptions", ())),
        )


def floor_confidence(confidence: Decimal | float) -> Decimal:
    """Four digits of it, rounded down. What is no finite number stays as it is, and is refused when it is evaluated."""
    exact = confidence if isinstance(confidence, Decimal) else Decimal(repr(float(confidence)))
    try:
        return exact.quantize(CONFIDENCE_STEP, rounding=ROUND_FLOOR)
    except InvalidOperation:
        return exact


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """One policy that determined a verdict; `says` is the sentence people read."""

    id: str
    set: str
    version: int
    says: str

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "set": self.set, "version": self.version, "says": self.says}


@dataclass(frozen=True, slots=True)
class ReleaseRef:
    """One release a verdict was reached under."""

    set: str
    version: int
    content_hash: str

    def __str__(self) -> str:
        return f"{self.set}@{self.version}"

    def as_json(self) -> dict[str, Any]:
        return {"set": self.set, "version": self.version, "content_hash": self.content_hash}


@dataclass(frozen=True, slots=True)
class StageSpec:
    """So many votes from one team."""

    team: str
    quorum: int


@dataclass(frozen=True, slots=True)
class EscalationSpec:
    """The team that may vote too once it has waited so long."""

    after_seconds: int
    team: str


@dataclass(frozen=True, slots=True)
class Obligations:
    """The chain people must go through, in order, how long they have, and who is brought in when they do not come. No
    stages: nothing to wait for. `redact`: data classes and detectors whose finds are masked in what the agent gets.
    """

    stages: tuple[StageSpec, ...] = ()
    expires_seconds: int = 0
    escalations: tuple[EscalationSpec, ...] = ()
    redact: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Without escalations and redactions it reads as before there were any, so that older digests still verify."""
        document: dict[str, Any] = {
            "stages": [{"team": stage.team, "quorum": stage.quorum} for stage in self.stages],
            "expires_seconds": self.expires_seconds,
        }
        if self.escalations:
            document["escalations"] = [
                {"after_seconds": escalation.after_seconds, "team": escalation.team} for escalation in self.escalations
            ]
        if self.redact:
            document["redact"] = list(self.redact)
        return document

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Obligations:
        return cls(
            stages=tuple(StageSpec(stage["team"], stage["quorum"]) for stage in stored["stages"]),
            expires_seconds=stored["expires_seconds"],
            escalations=tuple(
                EscalationSpec(escalation["after_seconds"], escalation["team"])
                for escalation in stored.get("escalations", ())
            ),
            redact=tuple(stored.get("redact", ())),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer. `code` says more of a denial than that it is one, for programs. `errors` are sentences without any
    value of the call: they may stand in plain columns (I10).
    """

    outcome: Outcome
    policies: tuple[PolicyRef, ...]
    obligations: Obligations
    releases: tuple[ReleaseRef, ...]
    errors: tuple[str, ...]
    input: dict[str, Any]
    code: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, in sentences: what the determining policies say, then what went wrong; never empty for a denial."""
        found = tuple(policy.says for policy in self.policies) + self.errors
        return found or ((NOTHING_PERMITS,) if self.outcome == "deny" else ())

    def as_json(self) -> dict[str, Any]:
        """The columns of a stored decision; `input` is apart because it is kept in the vault."""
        return {
            "outcome": self.outcome,
            "policies": [policy.as_json() for policy in self.policies],
            "obligations": self.obligations.as_json(),
            "releases": [release.as_json() for release in self.releases],
            "errors": list(self.errors),
        }
