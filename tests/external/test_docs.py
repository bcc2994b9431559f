"""docs/external-approvals.md: its code is run as it stands, its tables name what the code has."""

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rest_framework.test import APIClient

from apps.approvals.models import ApprovalState
from apps.core.money import Money
from apps.external import serializers
from apps.external.models import NewsKind
from tests.conftest import Robot, person
from tests.docs.test_docs import fences, keys, section
from tests.external.asking import PAYLOAD, body, deliver, vote
from tests.external.receiver import Receiver

PAGE = "docs/external-approvals.md"
APPS = Path(__file__).resolve().parents[2] / "apps"


@pytest.fixture(scope="module")
def code() -> dict[str, Any]:
    """The names that the page's code defines."""
    names: dict[str, Any] = {}
    exec("\n".join(fences(PAGE, "python")), names)
    return names


@pytest.fixture
def console(writer: Robot, live_server: Any) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {writer.token}"}
    with httpx.Client(base_url=live_server.url, headers=headers, trust_env=False) as client:
        yield client


def dana(_: str) -> APIClient:
    client = APIClient()
    client.force_login(person("dana"), backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.django_db(transaction=True)
def test_its_code_asks_waits_verifies_and_claims(
    code: dict[str, Any], console: httpx.Client, receiver: Receiver
) -> None:
    told = code["ask"](console, "INV-4471/pay", PAYLOAD, f"{receiver.url}/hooks")
    assert code["ask"](console, "INV-4471/pay", PAYLOAD, f"{receiver.url}/hooks")["replayed"] is True
    vote(dana, "dana", told)
    deliver()

    assert code["decided"](console, told["id"])["state"] == "approved"
    [message] = receiver.messages
    news = code["received"](told["webhook_secret"], message.headers, message.body)
    assert news["data"]["resolution"]["outcome"] == "approved"
    assert code["received"](told["webhook_secret"], message.headers, message.body + b" ") is None
    assert code["may_act"](console, told["id"], PAYLOAD + b" ") is False
    assert [code["may_act"](console, told["id"], PAYLOAD) for _ in range(2)] == [True, False]


@pytest.mark.django_db(transaction=True)
def test_its_digest_is_ours(code: dict[str, Any], console: httpx.Client) -> None:
    for number, changes in enumerate([{}, {"money": None, "facts": ..., "risk": ..., "expires_in_seconds": ...}]):
        sent = body(idempotency_key=f"k-{number}", **changes)
        minor = Money.parse(*sent["money"].values()).minor if sent["money"] else 0
        told = console.post("/api/v1/approvals", json=sent).raise_for_status().json()

        assert code["binding_digest"]("writer", "production", 1, sent, minor) == told["digest"]


def test_it_names_every_field_of_the_body() -> None:
    rows = re.findall(r"^\| (.+?) \|", section(PAGE, "Ask"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}

    assert named == set(serializers.ExternalAskSerializer().fields)


def test_it_names_every_state_and_every_kind_of_news() -> None:
    states = {*ApprovalState.values, "halted"} - {"superseded"}

    assert keys(section(PAGE, "Learn the answer")) == states
    assert keys(section(PAGE, "Verify the webhook")) == set(NewsKind.values)


def test_it_names_every_code_of_ours() -> None:
    source = "\n".join(file.read_text(encoding="utf-8") for file in (APPS / "external").rglob("*.py"))
    # codes of the log and of the machine's own messages are no refusals
    ours = set(re.findall(r"(?:Conflict|Invalid|NotFound|_invalid)\(\s*\"([\w.]+)\"", source))
    named = set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)?)`", section(PAGE, "Refusals")))

    assert len(ours) > 12
    assert ours <= named


def test_the_numbers_on_the_page_are_those_of_the_code(code: dict[str, Any]) -> None:
    text = section(PAGE, "Ask")

    assert (serializers.LEAST_EXPIRES_SECONDS, serializers.MOST_EXPIRES_SECONDS) == (60, 30 * 86400)
    assert "60 seconds to 30 days, one day without it" in text
    assert serializers.DEFAULT_EXPIRES_SECONDS == 86400
    assert "one to five" in text
    assert serializers.MAX_STAGES == 5
    assert "`quorum` 1 to 20" in text
    assert serializers.MAX_QUORUM == 20
    assert (serializers.MAX_FACTS, serializers.MAX_POLICIES) == (50, 20)
    assert typing.get_type_hints(code["may_act"])["return"] is bool
