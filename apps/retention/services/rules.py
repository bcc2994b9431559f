"""How long content is kept."""

from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.registry.masking import CLASS
from apps.registry.models import Process
from apps.registry.permissions import RETAIN
from apps.registry.queries import require, require_mesh_wide
from apps.retention.events import RetentionRuleChanged
from apps.retention.models import WITHOUT_CLASS, Content, RetentionRule
from apps.retention.queries import rule_for

MOST_DAYS = 36_500


def set_retention_rule(
    *, content: str, data_class: str, days: int, process: Process | None, actor: Actor
) -> RetentionRule:
    """From now on such content is kept for so many days after its run has ended, there or, where `process` is None,
    wherever no process says otherwise.
    """
    _require(actor, process)
    _check(content, data_class, days, process)
    with transaction.atomic():
        rule, is_new = RetentionRule.objects.select_for_update(of=("self",)).get_or_create(
            process=process,
            content=content,
            data_class=data_class,
            defaults={"days": days, "set_by": actor.key, "set_by_name": actor.name, "set_at": clock.now()},
        )
        before = None if is_new else rule.days
        if before != days:
            rule.days, rule.set_by, rule.set_by_name, rule.set_at = days, actor.key, actor.name, clock.now()
            rule.save(update_fields=["days", "set_by", "set_by_name", "set_at"])
            _tell(actor, "retention.rule_set", rule, before=before, after=days)
    return rule


def end_retention_rule(*, rule_id: UUID, actor: Actor) -> None:
    """Back to what holds without it."""
    with transaction.atomic():
        rule = rule_for(actor, rule_id)
        _require(actor, rule.process)
        if RetentionRule.objects.filter(id=rule_id).delete()[0]:
            _tell(actor, "retention.rule_ended", rule, before=rule.days, after=None)


def _require(actor: Actor, process: Process | None) -> None:
    if process is None:
        require_mesh_wide(actor, RETAIN)
    else:
        require(actor, RETAIN, process)


def _check(content: str, data_class: str, days: int, process: Process | None) -> None:
    if content not in Content.values:
        raise _invalid("/content", f"There is {', '.join(Content.values)}.")
    if data_class and not CLASS.fullmatch(data_class):
        raise _invalid("/data_class", "This is no name of a class of data.")
    if data_class and content in WITHOUT_CLASS:
        raise _invalid("/data_class", "What agents report has no class of data.")
    if content == Content.SPANS and process is not None:
        raise _invalid("/process", "Whole spans are dropped by the day, for the whole mesh at once.")
    if not 1 <= days <= MOST_DAYS:
        raise _invalid("/days", f"From 1 to {MOST_DAYS:,} days.")


def _invalid(pointer: str, sentence: str) -> Invalid:
    return Invalid("retention.invalid", sentence, errors=[{"pointer": pointer, "sentence": sentence}])


def _tell(actor: Actor, code: str, rule: RetentionRule, *, before: int | None, after: int | None) -> None:
    process = rule.process.slug if rule.process else ""
    audit.record(
        actor,
        code,
        subject_type="retention_rule",
        subject_id=rule.id,
        subject_name=f"{rule.content} {rule.data_class}".strip(),
        process=process,
        data={"content": rule.content, "data_class": rule.data_class, "before": before, "after": after},
    )
    outbox.add(
        RetentionRuleChanged(
            rule_id=str(rule.id), process=process, content=rule.content, data_class=rule.data_class, days=after
        )
    )
