"""Connectors, and where they keep their secrets."""

from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.actor import system_actor
from apps.core.errors import Invalid, NotAllowed
from apps.registry.models import Connector, ConnectorEndpoint
from apps.registry.services import Endpoint, register_connector
from apps.vault.secrets import reveal
from tests.conftest import actor

pytestmark = pytest.mark.usefixtures("world")
SYSTEM = system_actor("test")
SECRET = "swordfish-4711"


def register(**more: Any) -> ConnectorEndpoint:
    endpoint = Endpoint(**{"base_url": "https://bank.example/", "auth_type": "bearer", "secret": SECRET, **more})
    connector = register_connector(slug="bank", name="Bank", endpoints={"production": endpoint}, actor=SYSTEM)
    return connector.endpoints.get()


def log() -> list[tuple[str, list[str]]]:
    entries = AuditEntry.objects.filter(code__startswith="connector.", subject_name="Bank").order_by("seq")
    return [(entry.code, entry.data["fields"]) for entry in entries]


def test_a_secret_is_sealed_and_stands_nowhere_else() -> None:
    row = register()
    assert SECRET not in row.secret
    assert reveal(row.secret) == SECRET
    assert SECRET not in repr(Endpoint(base_url="x", secret=SECRET))
    assert SECRET not in str(list(AuditEntry.objects.values()))
    assert row.base_url == "https://bank.example"


def test_the_same_connector_again_changes_nothing() -> None:
    before = register().secret
    assert register().secret == before
    assert log() == [("connector.registered", ["production.made"])]


@pytest.mark.parametrize("reference", ["env://BANK_TOKEN", "file:///run/secrets/bank token"])
def test_a_reference_is_kept_as_it_is(reference: str) -> None:
    assert register(secret=reference).secret == reference
    assert register(secret=reference).secret == reference
    assert len(log()) == 1


def test_what_changed_is_logged_by_name_alone() -> None:
    register()
    row = register(secret="another", timeout_seconds=3)
    assert reveal(row.secret) == "another"
    assert log()[1:] == [("connector.changed", ["production.timeout_seconds", "production.secret"])]
    assert register(auth_type="none", secret="").secret == ""


def test_environments_that_are_not_named_stay_as_they_are() -> None:
    register()
    endpoint = Endpoint(base_url="https://sandbox.bank.example")
    register_connector(slug="bank", name="Bank", endpoints={"sandbox": endpoint}, actor=SYSTEM)
    assert set(ConnectorEndpoint.objects.filter(connector__slug="bank").values_list("environment", flat=True)) == {
        "production",
        "sandbox",
    }


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(Invalid):
        register_connector(slug="bank", name="Bank", endpoints={"moon": Endpoint(base_url="x")}, actor=SYSTEM)
    assert not Connector.objects.filter(slug="bank").exists()


def test_only_who_manages_the_whole_mesh_registers_connectors() -> None:
    with pytest.raises(NotAllowed):
        register_connector(slug="bank", name="Bank", endpoints={}, actor=actor("alex"))
