"""Canonical JSON (RFC 8785) and its digest: the same meaning gives the same bytes, on every machine."""

import hashlib
from typing import Any

import rfc8785

from apps.core.errors import Invalid


def canonical_bytes(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value. Raises Invalid for what JSON cannot carry exactly (integers from 2^53, NaN, lone
    surrogates).
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise Invalid("json.not_canonical", f"A value cannot be carried exactly by JSON: {error}.") from None


def digest(value: Any) -> str:
    """SHA-256 of the canonical bytes, in hex."""
    return hashlib.sha256(canonical_bytes(value)).hexdigest()
