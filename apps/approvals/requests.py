"""What a floor above hands in when it wants human consent."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apps.core.money import Money
from apps.registry.models import Agent, Process


@dataclass(frozen=True, slots=True)
class StageRequest:
    """So many votes from the team with this slug."""

    team: str
    quorum: int = 1


@dataclass(frozen=True, slots=True)
class EscalationRequest:
    """When it has waited this long, the team with this slug may vote in the open stage too."""

    after_seconds: int
    team: str


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """Everything the engine needs; it never looks at the subject itself.

    `digest` is the hex SHA-256 of what the vote binds to. `card` is what people are shown, JSON, kept in the vault:
    {"sentence", "tool", "tool_title", "tool_version", "system", "agent", "agent_name", "facts": [[label, value]],
    "why": [{"says", "ref", "set"}], "evidence": [{"title", "uri", "sha256"}], "statement", "confidence", "reversible"};
    a later version of the same subject adds "changes": [{"label", "before", "after"}] and "changed_by". `is_reversible`
    and a low or medium risk give its last voter time to take the vote back. `barred_people` are those who asked for it,
    in person or behind a credential.
    """

    subject_type: str
    subject_id: UUID
    digest: str
    card: dict[str, Any]
    process: Process
    environment: str
    agent: Agent | None
    run_id: UUID | None
    stages: tuple[StageRequest, ...]
    expires_seconds: int
    risk: str
    money: Money | None
    policy_ref: str
    is_reversible: bool = False
    escalations: tuple[EscalationRequest, ...] = ()
    barred_people: tuple[UUID, ...] = field(default=())
