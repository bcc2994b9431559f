"""Typed readers of the environment. Every NAME may also be given as NAME_FILE, the path of a file that holds the
value.
"""

import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict


def text(name: str, default: str | None = None) -> str:
    """The value of NAME, or the contents of the file that NAME_FILE names. Raises ImproperlyConfigured when neither is
    set.
    """
    if name in os.environ:
        return os.environ[name]
    if path := os.environ.get(f"{name}_FILE"):
        return Path(path).read_text(encoding="utf-8").strip()
    if default is None:
        raise ImproperlyConfigured(f"Set {name} or {name}_FILE.")
    return default


def flag(name: str) -> bool:
    """True for 1, true, yes and on."""
    return text(name, "").lower() in {"1", "true", "yes", "on"}


def number(name: str, default: int) -> int:
    """A whole number."""
    value = text(name, str(default))
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None


def words(name: str, default: str = "") -> list[str]:
    """A comma separated list, blanks dropped."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def database(name: str, *, keeps_connections: bool) -> dict[str, Any]:
    """Django's settings for a libpq URL (unix sockets and sslmode included)."""
    parts: dict[str, Any] = dict(conninfo_to_dict(text(name)))
    return {
        "ENGINE": "meshconsole.postgresql",
        "NAME": parts.pop("dbname", ""),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": str(parts.pop("port", "")),
        # without it one request answers 500 after PostgreSQL was restarted
        "CONN_HEALTH_CHECKS": True,
        "CONN_MAX_AGE": None if keeps_connections else 0,
        "OPTIONS": parts,
    }
