"""A file on its way in: read once, measured and digested while it comes, and kept aside until it is whole."""

import base64
import binascii
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Protocol

from django.conf import settings

from apps.core.errors import BadRequest, Invalid, TooLarge

BLOCK_BYTES = 64 * 1024
# What is larger waits on the disk.
MOST_IN_MEMORY = 1024 * 1024


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Incoming:
    """The whole of it, at its beginning."""

    file: IO[bytes]
    size_bytes: int
    sha256: str


@contextmanager
def received(stream: Readable) -> Iterator[Incoming]:
    """Read the stream to its end. Raises TooLarge before more than may be kept was read, BadRequest when it breaks
    off.
    """
    digest, size = hashlib.sha256(), 0
    with tempfile.SpooledTemporaryFile(max_size=MOST_IN_MEMORY) as file:
        while block := _block(stream):
            size += len(block)
            if size > settings.ARTIFACT_MAX_BYTES:
                raise too_large()
            digest.update(block)
            file.write(block)
        file.seek(0)
        yield Incoming(file, size, digest.hexdigest())


def _block(stream: Readable) -> bytes:
    try:
        return stream.read(BLOCK_BYTES)
    except OSError:
        raise BadRequest("artifact.body_lost", "The body ended before it was whole.") from None


def too_large() -> TooLarge:
    return TooLarge("artifact.too_large", f"An artifact has at most {settings.ARTIFACT_MAX_BYTES:,} bytes.")


def check_digest(incoming: Incoming, *, content_digest: str, digest: str) -> None:
    """Compare with what the sender says of it: `Content-Digest: sha-256=:…:` (RFC 9530), or `Digest: SHA-256=…` of
    before. Other algorithms than SHA-256 say nothing here. Raises Invalid.
    """
    for name, header in (("Content-Digest", content_digest), ("Digest", digest)):
        for told in header.split(",") if header else ():
            algorithm, _equal, value = told.strip().partition("=")
            if algorithm.strip().lower() == "sha-256":
                _compare(incoming, _hex_of(value, name))


def _hex_of(value: str, name: str) -> str:
    try:
        raw = base64.b64decode(value.strip().strip(":"), validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != hashlib.sha256().digest_size:
        raise Invalid("artifact.bad_digest", f"{name} is no SHA-256 in Base64.")
    return raw.hex()


def _compare(incoming: Incoming, told: str) -> None:
    if told != incoming.sha256:
        sentence = "What came is not what its digest says. Nothing was kept; send it again."
        raise Invalid("artifact.digest_differs", sentence, sha256=incoming.sha256)
