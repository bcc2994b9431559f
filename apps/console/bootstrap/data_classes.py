"""What the file's `data_classes` says: which roles see which class. What a person changed or ended since stays so."""

from collections.abc import Iterator
from typing import Any

from apps.audit.models import AuditEntry
from apps.core.actor import Actor
from apps.registry.models import DataClassRule, Process
from apps.registry.services import set_data_class_rule

Entry = dict[str, Any]


def load_data_classes(document: Entry, actor: Actor) -> Iterator[str]:
    """Bring the rules to what the file says. Tells what was left alone, and why."""
    for declared in document.get("data_classes", []):
        slug = declared.get("process")
        process = Process.objects.get(slug=slug) if slug else None
        rule = DataClassRule.objects.filter(process=process, data_class=declared["data_class"]).first()
        whose = f"The rule of “{declared['data_class']}” in “{slug or 'the mesh'}”"
        if rule is None and _was_ended(declared["data_class"], slug or ""):
            yield f"{whose} was ended. It was not set again."
        elif rule is not None and rule.set_by != actor.key:
            if rule.roles != sorted(declared["roles"]):
                yield f"{whose} was changed since. It stays as it is."
        else:
            set_data_class_rule(
                data_class=declared["data_class"], roles=declared["roles"], process=process, actor=actor
            )


def _was_ended(data_class: str, process: str) -> bool:
    ended = AuditEntry.objects.filter(code="data_class.rule_ended", subject_name=data_class, process=process)
    return ended.exists()
