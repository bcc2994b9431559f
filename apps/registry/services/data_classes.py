"""Which roles see which class of data."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import Invalid, NotFound
from apps.registry.events import DataClassRuleChanged
from apps.registry.masking import CLASS, SECRET
from apps.registry.models import DataClassRule, Process
from apps.registry.permissions import GOVERN, ROLES
from apps.registry.queries import require, require_mesh_wide
from apps.registry.sight import names_of, rules_visible_to


def set_data_class_rule(
    *, data_class: str, roles: Sequence[str], process: Process | None, actor: Actor
) -> DataClassRule:
    """From now on these roles see the class in the clear, there or, where `process` is None, wherever no process says
    otherwise; nobody else does by their role.
    """
    _require(actor, process)
    if not CLASS.fullmatch(data_class):
        raise Invalid("data_class.invalid", "This is no name of a class of data.", errors=_at("/data_class"))
    if data_class == SECRET:
        raise Invalid("data_class.secret", "What is secret is shown to nobody, ever.", errors=_at("/data_class"))
    if unknown := [role for role in roles if role not in ROLES]:
        sentence = f"There is no role “{unknown[0]}”. There are {', '.join(ROLES)}."
        raise Invalid("role.unknown", sentence, errors=_at("/roles"))
    with transaction.atomic():
        rule, is_new = DataClassRule.objects.select_for_update().get_or_create(
            process=process,
            data_class=data_class,
            defaults={"roles": names_of(roles), "set_by": actor.key, "set_at": clock.now()},
        )
        before = None if is_new else rule.roles
        if before != names_of(roles):
            rule.roles, rule.set_by, rule.set_at = names_of(roles), actor.key, clock.now()
            rule.save(update_fields=["roles", "set_by", "set_at"])
            _tell(actor, "data_class.rule_set", rule, before=before, after=rule.roles)
    return rule


def end_data_class_rule(*, rule_id: UUID, actor: Actor) -> None:
    """Back to what holds without it."""
    with transaction.atomic():
        rule = rules_visible_to(actor).filter(id=rule_id).first()
        if rule is None:
            raise NotFound("data_class.rule_not_found", "There is no such rule.")
        _require(actor, rule.process)
        if DataClassRule.objects.filter(id=rule_id).delete()[0]:
            _tell(actor, "data_class.rule_ended", rule, before=rule.roles, after=None)


def _require(actor: Actor, process: Process | None) -> None:
    if process is None:
        require_mesh_wide(actor, GOVERN)
    else:
        require(actor, GOVERN, process)


def _at(pointer: str) -> list[dict[str, str]]:
    return [{"pointer": pointer, "sentence": "This cannot be."}]


def _tell(actor: Actor, code: str, rule: DataClassRule, *, before: list[str] | None, after: list[str] | None) -> None:
    process = rule.process.slug if rule.process else ""
    audit.record(
        actor,
        code,
        subject_type="data_class",
        subject_id=rule.id,
        subject_name=rule.data_class,
        process=process,
        data={"data_class": rule.data_class, "before": before, "after": after},
    )
    outbox.add(DataClassRuleChanged(data_class=rule.data_class, process=process, roles=after, rule_id=str(rule.id)))
