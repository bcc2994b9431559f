"""Canonical JSON (RFC 8785) and its digest: the same meaning gives the same bytes, on every machine."""

import hashlib
import json
from typing import Any

import rfc8785

from apps.core.errors import Invalid

_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_FIRST_INEXACT = 2**53


def canonical_bytes(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value. Raises Invalid for what JSON cannot carry exactly (integers from 2^53, NaN, lone
    surrogates).
    """
    try:
        # nearly all we digest is of this kind, and the standard library writes it three times as fast
        return _ENCODER.encode(value).encode() if _is_plain(value) else rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise Invalid("json.not_canonical", f"A value cannot be carried exactly by JSON: {error}.") from None


def digest(value: Any) -> str:
    """SHA-256 of the canonical bytes, in hex."""
    return hashlib.sha256(canonical_bytes(value)).hexdigest()


def _is_plain(value: Any) -> bool:
    """Whether Python's own encoder writes the value as RFC 8785 does: it has no fractions, which are written otherwise
    there, and its names are ASCII, which both sort alike.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-_FIRST_INEXACT < value < _FIRST_INEXACT)
    if kind is dict:
        return all(type(name) is str and name.isascii() and _is_plain(item) for name, item in value.items())
    return (kind is list or kind is tuple) and all(map(_is_plain, value))
