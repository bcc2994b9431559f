"""I1: no write reaches a connector except through the gateway; without grant, permit or release there is no call."""

import ast
from pathlib import Path

import pytest

from apps.gateway.models import ToolCall
from apps.policies.models import ActiveRelease
from apps.registry.models import Grant
from tests.conftest import Robot
from tests.fakes.erp import FakeErp

APPS = Path(__file__).resolve().parents[2] / "apps"
NETWORK = {"apprise", "httpx", "requests", "urllib.request", "urllib3", "http.client", "socket", "smtplib"}
NETWORK |= {"httpcore", "apps.core.outward"}
# The one way to business systems, and two that carry words to people and gateways: neither knows a connector.
DOOR = {"gateway/clients.py", "external/clients.py", "notifications/clients.py"}
# Asks where a name leads, and how all three connect: neither is called by anybody else.
WAYS = {"core/addresses.py", "core/outward.py"}


def test_only_the_clients_know_the_network() -> None:
    users = set()
    for file in APPS.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if NETWORK & set(names):
                users.add(str(file.relative_to(APPS)))
    assert users == DOOR | WAYS


@pytest.mark.django_db
def test_without_a_grant_nothing_is_sent(writer: Robot, erp: FakeErp) -> None:
    Grant.objects.all().delete()

    assert writer.call().status_code == 404
    assert erp.requests == []


@pytest.mark.django_db
def test_without_a_release_everything_is_denied(writer: Robot, erp: FakeErp) -> None:
    ActiveRelease.objects.all().delete()

    assert writer.call().status_code == 403
    assert writer.call(tool="erp.find", arguments={"reference": "x"}, key="k-2").status_code == 403
    assert (erp.requests, ToolCall.objects.filter(state="denied").count()) == ([], 2)
