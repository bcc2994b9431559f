"""Secrets of connectors: encrypted in the database, or by reference to where the operator keeps them."""

import os
from functools import cache, lru_cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from apps.core.errors import Unavailable

REFERENCES = ("env://", "file://")


@cache
def _box() -> MultiFernet:
    """The newest key encrypts, all of them decrypt: keys are rotated by putting a new one first."""
    return MultiFernet([Fernet(key) for key in settings.VAULT_KEYS])


@lru_cache(maxsize=500)
def _opened(sealed: str) -> str:
    """What was encrypted says the same for ever, and each governed call needs one. Errors are not kept."""
    return _box().decrypt(sealed.removeprefix("fernet:").encode()).decode()


def seal(secret: str) -> str:
    """What the database may keep: a reference as it is, anything else encrypted."""
    return secret if secret.startswith(REFERENCES) else "fernet:" + _box().encrypt(secret.encode()).decode()


def reveal(sealed: str) -> str:
    """The secret itself. Raises Unavailable, naming the reference and never the value, when it cannot be had."""
    try:
        if sealed.startswith("env://"):
            return os.environ[sealed.removeprefix("env://")]
        if sealed.startswith("file://"):
            return Path(sealed.removeprefix("file://")).read_text(encoding="utf-8").strip()
        return _opened(sealed)
    except (KeyError, OSError):
        raise Unavailable("vault.secret_missing", f"The secret behind {sealed} cannot be read.") from None
    except InvalidToken:
        raise Unavailable(
            "vault.wrong_key", "A stored secret was encrypted with a key this installation does not have."
        ) from None
