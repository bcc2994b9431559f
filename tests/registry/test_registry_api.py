"""`/api/v1/agents` and `/api/v1/tools` for people and agents."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from apps.core.actor import system_actor
from apps.registry.models import Agent, AgentCredential
from apps.registry.services import make_credential
from tests.conftest import Robot

pytestmark = pytest.mark.usefixtures("world")


def test_a_person_lists_the_agents_of_their_processes(api: Any) -> None:
    body = api("dana").get("/api/v1/agents").json()
    assert [agent["slug"] for agent in body["items"]] == ["triage", "writer"]
    assert body["next"] is None
    assert body["items"][1] == {
        "id": str(Agent.objects.get(slug="writer").id),
        "slug": "writer",
        "name": "Order-to-cash writer",
        "process": "order-to-cash",
        "environment": "production",
        "owner_team": "o2c-oncall",
        "built_by": "o2c-builders",
    }
    assert api("otto").get("/api/v1/agents").json() == {"items": [], "next": None}


def test_lists_are_paged_by_cursor(api: Any) -> None:
    first = api("dana").get("/api/v1/agents", {"limit": 1}).json()
    second = api("dana").get("/api/v1/agents", {"limit": 1, "cursor": first["next"]}).json()
    assert [page["items"][0]["slug"] for page in (first, second)] == ["triage", "writer"]
    assert second["next"] is None
    for query in ({"limit": "0"}, {"limit": "x"}, {"cursor": "x"}):
        assert api("dana").get("/api/v1/agents", query).status_code == 422


def test_an_agent_is_shown_by_id_and_slug(api: Any) -> None:
    by_slug = api("dana").get("/api/v1/agents/writer")
    by_id = api("dana").get(f"/api/v1/agents/{by_slug.json()['id']}")
    assert by_slug.status_code == 200
    assert by_id.json() == by_slug.json()


@pytest.mark.parametrize("name", ["payer", "nobody", "a%00b"])
def test_an_unseen_agent_is_404(api: Any, name: str) -> None:
    answer = api("dana").get(f"/api/v1/agents/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "agent.not_found")


def test_an_agent_lists_its_own_tools_without_how_they_reach_the_system(writer: Robot, triage: Robot) -> None:
    body = triage.api().get("/api/v1/tools").json()
    assert {tool["name"] for tool in body["items"]} == {"erp.issue_credit_memo", "erp.find"}
    tool = next(tool for tool in body["items"] if tool["name"] == "erp.issue_credit_memo")
    assert tool["money"] == {"amount": "/amount", "currency": "/currency"}
    assert tool["input_schema"]["required"]
    assert (tool["version"], tool["connector"], tool["effect"]) == (1, "erp", "write")
    assert not {"request", "lookup", "compensation"} & tool.keys()
    assert len(writer.api().get("/api/v1/tools").json()["items"]) == 4


@pytest.mark.parametrize("path", ["agents", "agents/writer", "tools", "tokens"])
def test_without_a_token_there_is_nothing_but_401(path: str, world: Any) -> None:
    answer = APIClient(raise_request_exception=False).get(f"/api/v1/{path}")
    assert (answer.status_code, answer.json()["code"]) == (401, "token.missing")
    assert answer["WWW-Authenticate"] == 'Bearer realm="mesh-console"'


@pytest.mark.parametrize("path", ["agents", "agents/writer", "tools"])
def test_what_is_only_read_takes_no_writes(api: Any, path: str) -> None:
    assert api("alex").post(f"/api/v1/{path}", {}, format="json").status_code == 405


def test_make_credential_prints_a_pair_that_works(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("make_credential", "writer")
    made = json.loads(capsys.readouterr().out)
    assert made["agent"] == "writer"
    assert AgentCredential.objects.filter(client_id=made["client_id"], agent__slug="writer").exists()
    with pytest.raises(CommandError):
        call_command("make_credential", "nobody")


def test_two_credentials_of_an_agent_have_two_names(writer: Robot) -> None:
    names = {make_credential(agent=writer.agent, actor=system_actor("test"))[0].client_id for _ in range(5)}
    assert len(names) == 5
