"""Who acts: a person, an agent, a token of a person, or the product itself on a schedule."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class ActorKind(StrEnum):
    PERSON = "person"
    AGENT = "agent"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Plain values, so that the audit log can keep them after the person or agent is gone.

    `key` is globally unique and stable ("person:0198…", "agent:o2c-writer", "system:recovery"). `via` says how a
    person came in (session, token, command), because a person's own token is that person (I5).
    """

    kind: ActorKind
    key: str
    name: str
    id: UUID | None = None
    via: str = ""

    @property
    def known_id(self) -> UUID:
        """The id of a person or agent. A job of the product has none, and asking for it is a bug."""
        if self.id is None:
            raise RuntimeError(f"{self.key} has no id")
        return self.id

    @property
    def is_person(self) -> bool:
        return self.kind is ActorKind.PERSON

    @property
    def is_agent(self) -> bool:
        return self.kind is ActorKind.AGENT

    @property
    def is_system(self) -> bool:
        return self.kind is ActorKind.SYSTEM


def person_actor(*, user_id: UUID, name: str, via: str) -> Actor:
    return Actor(kind=ActorKind.PERSON, key=f"person:{user_id}", name=name, id=user_id, via=via)


def agent_actor(*, agent_id: UUID, slug: str, name: str) -> Actor:
    return Actor(kind=ActorKind.AGENT, key=f"agent:{slug}", name=name, id=agent_id)


def system_actor(job: str) -> Actor:
    """Background work is a named actor; there is no skip flag."""
    return Actor(kind=ActorKind.SYSTEM, key=f"system:{job}", name=f"Mesh Console ({job})")
