"""Storing and reading payload. Encryption under a key per subject will change this module and no caller."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core import clock
from apps.core.ids import uuid7
from apps.core.rows import insert, new
from apps.vault.models import Payload

SALT_BYTES = 16
# Not canonical: a business system may answer numbers that RFC 8785 cannot carry, and its answer must not be lost.
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Document:
    """Something to store: `kind` says what it is, `subject` whose it is when that is known."""

    kind: str
    body: Any
    subject: str = ""


def store(*documents: Document) -> list[Payload]:
    """Write the documents in one message, in order, and return their rows."""
    payloads = [sealed(document) for document in documents]
    insert(*payloads)
    return payloads


def sealed(document: Document) -> Payload:
    """The row of the document, not written yet."""
    body = _ENCODER.encode(document.body).encode()
    salt = os.urandom(SALT_BYTES)
    return new(
        Payload,
        id=uuid7(),
        kind=document.kind,
        subject=document.subject,
        body=body,
        salt=salt,
        digest=hashlib.sha256(salt + body).hexdigest(),
        stored_at=clock.now(),
    )


def erase(payload_ids: Iterable[UUID | None]) -> int:
    """Destroy what the documents say, and with their salts the way to guess it; returns how many that were. Their rows
    and digests stay (I10). Called inside the transaction that says who did it and why.
    """
    wanted = [payload_id for payload_id in payload_ids if payload_id is not None]
    there = Payload.objects.filter(id__in=wanted, body__isnull=False)
    return there.update(body=None, salt=b"", erased_at=clock.now())


def body_of(payload: Payload | None) -> Any:
    """The document of a row that is at hand; None when it was erased or never stored."""
    return None if payload is None or payload.body is None else json.loads(bytes(payload.body))


def read(payload_id: UUID | None) -> Any:
    """The document, or None when it was erased or never stored."""
    return None if payload_id is None else read_many([payload_id]).get(payload_id)


def read_many(payload_ids: Iterable[UUID | None]) -> dict[UUID, Any]:
    """The documents by id, in one query; erased ones are absent."""
    wanted = [payload_id for payload_id in payload_ids if payload_id is not None]
    rows = Payload.objects.filter(id__in=wanted, body__isnull=False).values_list("id", "body")
    return {payload_id: json.loads(bytes(body)) for payload_id, body in rows if body is not None}
