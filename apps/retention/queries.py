"""How long what is kept, and what is held."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.registry.queries import processes_visible_to
from apps.retention.models import Content, LegalHold, RetentionRule


@dataclass(frozen=True, slots=True)
class Rules:
    """Every rule there is, as they stand now."""

    by_key: dict[tuple[UUID | None, str, str], RetentionRule]

    def rule_for(self, process_id: UUID | None, content: Content, classes: Iterable[str] = ()) -> RetentionRule | None:
        """The rule that decides on content of these classes: of those of its classes the one with the fewest days. A
        rule of a class goes before one of all classes, one of the process before one of the mesh. None: kept for good.
        """
        found = [self._rule(process_id, content, name) for name in (list(classes) or [""])]
        return min((rule for rule in found if rule is not None), key=lambda rule: rule.days, default=None)

    def _rule(self, process_id: UUID | None, content: Content, data_class: str) -> RetentionRule | None:
        for name in dict.fromkeys((data_class, "")):
            for place in dict.fromkeys((process_id, None)):
                if (rule := self.by_key.get((place, content.value, name))) is not None:
                    return rule
        return None


def all_rules() -> Rules:
    """One query."""
    rules = RetentionRule.objects.select_related("process")
    return Rules({(rule.process_id, rule.content, rule.data_class): rule for rule in rules})


def rules_visible_to(actor: Actor) -> QuerySet[RetentionRule]:
    """Those of the processes one sees, and those of the whole mesh."""
    rules = RetentionRule.objects.select_related("process")
    return rules.filter(Q(process__in=processes_visible_to(actor)) | Q(process=None))


def rule_for(actor: Actor, rule_id: UUID) -> RetentionRule:
    """One rule this actor may see. Raises NotFound."""
    rule = rules_visible_to(actor).filter(id=rule_id).first()
    if rule is None:
        raise NotFound("retention.rule_not_found", "There is no such rule.")
    return rule


def holds_visible_to(actor: Actor) -> QuerySet[LegalHold]:
    holds = LegalHold.objects.select_related("process", "run")
    return holds.filter(process__in=processes_visible_to(actor))


def hold_for(actor: Actor, hold_id: UUID) -> LegalHold:
    """One hold this actor may see. Raises NotFound."""
    hold = holds_visible_to(actor).filter(id=hold_id).first()
    if hold is None:
        raise NotFound("legal_hold.not_found", "There is no such legal hold.")
    return hold


def in_force(holds: QuerySet[LegalHold]) -> QuerySet[LegalHold]:
    return holds.filter(Q(expires_at=None) | Q(expires_at__gt=clock.now()), lifted_at=None)


@dataclass(frozen=True, slots=True)
class Held:
    """What is held now: processes whole, and single runs."""

    processes: frozenset[UUID]
    runs: frozenset[UUID]

    def covers(self, run_id: UUID, process_id: UUID) -> bool:
        return process_id in self.processes or run_id in self.runs

    def covers_any(self, run_ids: Collection[UUID], process_id: UUID) -> bool:
        return process_id in self.processes or not self.runs.isdisjoint(run_ids)


def held_now() -> Held:
    """One query."""
    rows = list(in_force(LegalHold.objects.all()).values_list("process_id", "run_id"))
    return Held(
        frozenset(process for process, run in rows if run is None),
        frozenset(run for _process, run in rows if run is not None),
    )


def holds_over(process_id: UUID, run_id: UUID) -> QuerySet[LegalHold]:
    """Those in force over one run: its own, and those of its whole process."""
    return in_force(LegalHold.objects.filter(Q(run=None) | Q(run=run_id), process=process_id)).order_by("id")
