"""What the file's `retention` says: how long which content is kept. What a person changed or ended since stays so."""

from collections.abc import Iterator
from typing import Any

from apps.audit.models import AuditEntry
from apps.core.actor import Actor
from apps.registry.models import Process
from apps.retention.models import RetentionRule
from apps.retention.services import set_retention_rule

Entry = dict[str, Any]


def load_retention(document: Entry, actor: Actor) -> Iterator[str]:
    """Bring the rules to what the file says. Tells what was left alone, and why."""
    for declared in document.get("retention", []):
        slug, data_class = declared.get("process"), declared.get("data_class", "")
        process = Process.objects.get(slug=slug) if slug else None
        found = RetentionRule.objects.filter(process=process, content=declared["content"], data_class=data_class)
        rule = found.first()
        name = f"{declared['content']} {data_class}".strip()
        whose = f"How long “{name}” is kept in “{slug or 'the mesh'}”"
        if rule is None and _was_ended(name, slug or ""):
            yield f"{whose} was ended. It was not set again."
        elif rule is not None and rule.set_by != actor.key:
            if rule.days != declared["days"]:
                yield f"{whose} was changed since. It stays as it is."
        else:
            set_retention_rule(
                content=declared["content"],
                data_class=data_class,
                days=declared["days"],
                process=process,
                actor=actor,
            )


def _was_ended(name: str, process: str) -> bool:
    return AuditEntry.objects.filter(code="retention.rule_ended", subject_name=name, process=process).exists()
