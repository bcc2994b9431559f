"""Connectors and where they reach in each environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from apps.audit import services as audit
from apps.core.actor import Actor
from apps.core.errors import Invalid, Unavailable
from apps.registry.models import Connector, ConnectorEndpoint, Environment
from apps.registry.permissions import MANAGE
from apps.registry.queries import require_mesh_wide
from apps.registry.services.changes import bring_up_to_date
from apps.vault.secrets import REFERENCES, reveal, seal

DEFAULT_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A connector in one environment. `secret` is itself or a reference; `auth_name` is its header or user."""

    base_url: str
    auth_type: str = "none"
    auth_name: str = ""
    secret: str = field(default="", repr=False)
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    allow_private_addresses: bool = False
    breaker: Mapping[str, float] = field(default_factory=dict)


def register_connector(
    *,
    slug: str,
    name: str,
    endpoints: Mapping[str, Endpoint],
    actor: Actor,
    kind: str = "http",
) -> Connector:
    """The connector with this slug, made or brought up to date. Environments that are not named stay as they are."""
    require_mesh_wide(actor, MANAGE)
    if unknown := set(endpoints) - set(Environment.values):
        raise Invalid("connector.unknown_environment", f"There is no environment “{min(unknown)}”.")
    wanted = {"name": name, "kind": kind}
    with transaction.atomic():
        connector, is_new = Connector.objects.get_or_create(slug=slug, defaults=wanted)
        changed = [] if is_new else bring_up_to_date(connector, wanted)
        for environment, endpoint in endpoints.items():
            changed += [f"{environment}.{what}" for what in _register_endpoint(connector, environment, endpoint)]
        if is_new or changed:
            audit.record(
                actor,
                "connector.registered" if is_new else "connector.changed",
                subject_type="connector",
                subject_id=connector.id,
                subject_name=connector.name,
                data={"fields": changed},
            )
    return connector


def _register_endpoint(connector: Connector, environment: str, endpoint: Endpoint) -> list[str]:
    """Names of what was changed; never what it was changed to, of which one is a secret."""
    wanted: dict[str, Any] = {
        "base_url": endpoint.base_url.rstrip("/"),
        "auth_type": endpoint.auth_type,
        "auth_name": endpoint.auth_name,
        "timeout_seconds": float(endpoint.timeout_seconds),
        "allow_private_addresses": endpoint.allow_private_addresses,
        "breaker": dict(endpoint.breaker),
    }
    row = ConnectorEndpoint.objects.filter(connector=connector, environment=environment).first()
    if row is None:
        sealed = _seal(endpoint.secret)
        ConnectorEndpoint.objects.create(connector=connector, environment=environment, secret=sealed, **wanted)
        return ["made"]
    if not _is_secret(row.secret, endpoint.secret):
        wanted["secret"] = _seal(endpoint.secret)
    return bring_up_to_date(row, wanted)


def _seal(secret: str) -> str:
    return seal(secret) if secret else ""


def _is_secret(sealed: str, secret: str) -> bool:
    """Whether what is stored is this secret: each sealing of the same secret looks different."""
    if not secret or not sealed or secret.startswith(REFERENCES) or sealed.startswith(REFERENCES):
        return sealed == secret
    try:
        return reveal(sealed) == secret
    except Unavailable:
        return False
