"""What agents keep with a run: its workflow state, version by version, and files."""

import pgtrigger
from django.db import models

from apps.core.ids import uuid7
from apps.runs.models import Run
from apps.vault.models import Payload


class StateVersion(models.Model):
    """The workflow state of a run as one agent saved it. The one with the highest number is the state; the others are
    its history. The document itself is payload; `data_class` says who sees it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="state_versions")
    number = models.PositiveIntegerField()
    document = models.ForeignKey(Payload, on_delete=models.PROTECT, related_name="+")
    data_class = models.CharField(max_length=40)
    size_bytes = models.PositiveIntegerField()
    saved_by = models.CharField(max_length=160)
    saved_by_name = models.CharField(max_length=200)
    saved_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="state_version_once")]
        triggers = [pgtrigger.Protect(name="immutable", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"State {self.number} of {self.run}"

    @property
    def etag(self) -> str:
        """Names this version and no other, also where an agent goes back to what the state was before."""
        return f'"{self.number}-{self.document.digest[:16]}"'

    @property
    def is_erased(self) -> bool:
        return self.document.erased_at is not None


class Artifact(models.Model):
    """A file that an agent keeps with a run. `sha256` is of its content and stays when the file is erased; `file` is
    its name in the storage. The row is written when the file is whole, and marked before the file goes.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="artifacts")
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=120)
    data_class = models.CharField(max_length=40)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    file = models.CharField(max_length=120)
    stored_by = models.CharField(max_length=160)
    stored_by_name = models.CharField(max_length=200)
    stored_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True)
    is_file_gone = models.BooleanField(default=False)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["run", "id"], name="artifact_run"),
            models.Index(
                fields=["id"],
                name="artifact_file_to_remove",
                condition=models.Q(erased_at__isnull=False, is_file_gone=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "sha256"], name="artifact_once_per_run", condition=models.Q(erased_at=None)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_erased(self) -> bool:
        return self.erased_at is not None
