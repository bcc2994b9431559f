"""The append-only log: who did what to what, why, and with which outcome. Plain values only, no foreign key, so
nothing can drag a line away.
"""

import pgtrigger
from django.db import models

NO_TRUNCATE = "RAISE EXCEPTION 'append-only: %', TG_TABLE_NAME;"


class AuditEntry(models.Model):
    """One line. `seq` orders them; `process` and `environment` say who may read it."""

    seq = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=20)
    actor_key = models.CharField(max_length=160)
    actor_name = models.CharField(max_length=200)
    code = models.CharField(max_length=80)
    subject_type = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=80)
    subject_name = models.CharField(max_length=200, blank=True)
    process = models.CharField(max_length=80, blank=True)
    environment = models.CharField(max_length=20, blank=True)
    run_id = models.UUIDField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    reason = models.TextField(blank=True)
    outcome = models.CharField(max_length=40, blank=True)
    data = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["process", "-seq"], name="audit_process"),
            models.Index(fields=["subject_id", "-seq"], name="audit_subject"),
            models.Index(fields=["actor_key", "-seq"], name="audit_actor"),
            models.Index(fields=["run_id", "-seq"], name="audit_run", condition=~models.Q(run_id=None)),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="no_truncate",
                level=pgtrigger.Statement,
                when=pgtrigger.Before,
                operation=pgtrigger.Truncate,
                func=NO_TRUNCATE,
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.seq} {self.code} {self.subject_type} {self.subject_id}"
