"""Who sees which class of data in the clear: by the rule somebody set, else by the product's own."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from apps.core.actor import Actor
from apps.core.once import once
from apps.registry.masking import NONE, PERSONAL, SECRET, Classes
from apps.registry.models import DataClassRule, RoleAssignment
from apps.registry.queries import processes_visible_to

# Roles that act on calls themselves: what is personal is theirs to see. Whoever is asked to approve a call sees it on
# its card, because nobody may approve blind.
ACTING = frozenset({"operator", "owner"})

# (process or None for all of them, class) → roles.
Rules = dict[tuple[UUID | None, str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Sight:
    """What one actor sees by their roles. `roles` are those held in each process, under None those held in all; None
    for whatever is nobody: a message that leaves the product, a job of its own.
    """

    roles: dict[UUID | None, frozenset[str]] | None
    rules: Rules

    def hidden(self, process_id: UUID, classes: Classes) -> Classes:
        """Those of the classes that are masked for the actor in this process."""
        if not classes:
            return NONE
        held = None if self.roles is None else self.roles.get(process_id, NONE) | self.roles.get(None, NONE)
        return frozenset(name for name in classes if not self._is_seen(process_id, name, held))

    def _is_seen(self, process_id: UUID, name: str, held: frozenset[str] | None) -> bool:
        if name == SECRET:
            return False
        allowed = self.rules.get((process_id, name), self.rules.get((None, name)))
        if allowed is None and name == PERSONAL:
            allowed = ACTING
        if allowed is None:
            return True
        return held is not None and bool(held & allowed)


def sight_of(actor: Actor | None) -> Sight:
    """Two queries. Administrators see what their roles show them, and no more."""
    return once(("sight", actor), lambda: _read(actor))


def _read(actor: Actor | None) -> Sight:
    rows = DataClassRule.objects.values_list("process_id", "data_class", "roles")
    rules: Rules = {(process, name): frozenset(roles) for process, name, roles in rows}
    if actor is None or not actor.is_person:
        return Sight(None, rules)
    roles: dict[UUID | None, frozenset[str]] = {}
    held = RoleAssignment.objects.filter(user_id=actor.known_id, user__is_active=True)
    for process, role in held.values_list("process_id", "role"):
        roles[process] = roles.get(process, NONE) | {role}
    return Sight(roles, rules)


def rules_visible_to(actor: Actor) -> QuerySet[DataClassRule]:
    """Those of the processes one sees, and those of the whole mesh."""
    rules = DataClassRule.objects.select_related("process")
    return rules.filter(process__in=processes_visible_to(actor)) | rules.filter(process=None)


def names_of(roles: Iterable[str]) -> list[str]:
    """As they are stored: each once, in one order."""
    return sorted(set(roles))
