"""Payload: arguments, results, statements and decision inputs. Everything personal or secret that a call carries is
here and nowhere else.
"""

from django.db import models

from apps.core.ids import uuid7


class Payload(models.Model):
    """One JSON document. `digest` is the salted SHA-256 that other tables and the log may keep after the body is
    erased (I10).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=160, blank=True)
    body = models.BinaryField(null=True)
    salt = models.BinaryField()
    digest = models.CharField(max_length=64)
    stored_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["subject"], name="payload_subject", condition=~models.Q(subject=""))]
        constraints = [
            models.CheckConstraint(
                name="payload_is_there_or_erased",
                condition=models.Q(body__isnull=False, erased_at=None) | models.Q(body=None, erased_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.digest[:12]}"
