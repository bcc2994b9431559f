"""What Django's processes are told by their environment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from meshconsole.local.home import Home
from meshconsole.local.postgres import Postgres
from meshconsole.local.processes import MARK
from meshconsole.local.scratch import Scratch
from meshconsole.local.stopping import StopRequest
from meshconsole.local.stores import Store
from meshconsole.local.valkey import Valkey

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000
# What one command on a home tells the next: where things are, no keys.
ANNOUNCED = (
    "DATABASE_URL",
    "CELERY_BROKER_URL",
    "CACHE_URL",
    "BASE_URL",
    "ALLOWED_HOSTS",
    "LOCAL",
    "DEMO",
    "STATIC_ROOT",
    "ARTIFACTS_DIR",
)
# Everything the product reads that a throw-away environment must not take from the caller's.
PRODUCT = (
    *ANNOUNCED,
    "SECRET_KEY",
    "SECRET_KEY_FILE",
    "VAULT_KEYS",
    "VAULT_KEYS_FILE",
    "DB_KEEP",
    "MESHCONSOLE_HOME",
    MARK,
)


def embedded_needed() -> bool:
    return not (os.environ.get("DATABASE_URL") and os.environ.get("CELERY_BROKER_URL"))


def embedded_stores(home: Home, scratch: Scratch, stop: StopRequest) -> list[Store]:
    """The stores that nobody named a real server for."""
    stores: list[Store] = []
    if not os.environ.get("DATABASE_URL"):
        stores.append(Postgres(home.path / "pg", log=home.logs / "postgres.log", scratch=scratch, stop=stop))
    if not os.environ.get("CELERY_BROKER_URL"):
        stores.append(Valkey(home.path / "valkey", log=home.logs / "valkey.log", scratch=scratch, stop=stop))
    return stores


def variables_of(stores: Iterable[Store]) -> dict[str, str]:
    return {name: value for store in stores for name, value in store.variables().items()}


def addresses(*, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> dict[str, str]:
    """Where people and agents reach the console."""
    told = {"BASE_URL": f"http://localhost:{port}", "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]"}
    # plain http is let through only where it never leaves this machine
    return told | ({"LOCAL": "1"} if host in LOOPBACK else {})


def for_django(home: Home, told: Mapping[str, str]) -> dict[str, str]:
    """The environment of web, worker, beat and `manage`. What the caller's own environment sets wins."""
    files = {"SECRET_KEY": home.secret_key, "VAULT_KEYS": home.vault_key}
    # a key that was given by value gets no file beside it
    keys = {f"{name}_FILE": str(path) for name, path in files.items() if not os.environ.get(name)}
    places = {"STATIC_ROOT": str(home.path / "static"), "ARTIFACTS_DIR": str(home.path / "artifacts")}
    ours = {**places, **told, **keys}
    # set and empty is how compose files and CI say "not set"
    callers = {name: value for name, value in os.environ.items() if value or name not in (*ours, *files)}
    return {**ours, **callers, **fixed(home)}


def fixed(home: Home) -> dict[str, str]:
    """What holds whatever the caller's shell was set up for."""
    return {
        "DJANGO_SETTINGS_MODULE": "meshconsole.settings",
        "MESHCONSOLE_HOME": str(home.path),
        "PYTHONUNBUFFERED": "1",
    }


def announced(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of the environment that other commands on the same home need."""
    return {name: environment[name] for name in ANNOUNCED if name in environment}


def without_product(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with nothing of ours in it: for programs that may know the public interfaces alone."""
    return {name: value for name, value in environment.items() if name not in PRODUCT}
