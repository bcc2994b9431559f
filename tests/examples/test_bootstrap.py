"""What the console is told: complete, consistent, and saying what the process owner means."""

from __future__ import annotations

import json
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples.order_to_cash import bootstrap
from examples.order_to_cash.places import ensure_ports, ensure_tokens, token_file

cedarpy = pytest.importorskip("cedarpy")

PORTS = {"erp": 9101, "crm": 9102, "ticketing": 9103}


@pytest.fixture
def declaration(tmp_path: Path) -> dict[str, Any]:
    return bootstrap.document(PORTS, tmp_path)


def test_every_name_leads_somewhere(declaration: dict[str, Any]) -> None:
    tools = {tool["name"]: tool for tool in declaration["tools"]}
    teams = {team["slug"] for team in declaration["teams"]}
    agents = {agent["slug"] for agent in declaration["agents"]}
    connectors = {connector["slug"] for connector in declaration["connectors"]}
    assert {tool["connector"] for tool in tools.values()} == connectors
    assert {team for person in declaration["people"] for team in person["teams"]} <= teams
    assert {grant["tool"] for grant in declaration["grants"]} == set(tools)
    assert {grant["agent"] for grant in declaration["grants"]} == agents
    for tool in tools.values():
        for other in (tool.get("lookup"), tool.get("compensation")):
            assert other is None or other["tool"] in tools
        assert set(re.findall(r"\{(\w+)\}", tool["request"]["path"])) <= set(tool["input_schema"]["properties"])
        assert set(re.findall(r"\{(\w+)\}", tool["says"])) <= {"money", *tool["input_schema"]["properties"]}


def test_agents_that_may_look_their_writes_up_may_use_the_lookup(declaration: dict[str, Any]) -> None:
    granted = {(grant["agent"], grant["tool"]) for grant in declaration["grants"]}
    lookups = {tool["name"]: tool["lookup"]["tool"] for tool in declaration["tools"] if tool.get("lookup")}
    assert {(agent, lookups[tool]) for agent, tool in granted if tool in lookups} <= granted


def test_the_program_prints_the_same_twice_and_keeps_tokens_private(tmp_path: Path) -> None:
    home = tmp_path / "my home"
    command = [sys.executable, "-m", "examples.order_to_cash.bootstrap"]
    command += ["--ports-file", str(home / "ports.json"), "--home", str(home)]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert first == second
    secret = json.loads(first)["connectors"][0]["environments"]["production"]["auth"]["secret"]
    token = Path(secret.removeprefix("file://"))
    assert token == token_file(home, "erp")
    assert stat.S_IMODE(token.stat().st_mode) == 0o600


def test_a_port_that_someone_else_took_is_given_up(tmp_path: Path) -> None:
    ensure_tokens(tmp_path)
    first = ensure_ports(tmp_path / "ports.json", tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", first["crm"]))
        other.listen()
        second = ensure_ports(tmp_path / "ports.json", tmp_path)
    assert second["crm"] != first["crm"]
    assert {name: second[name] for name in ("erp", "ticketing")} == {name: first[name] for name in ("erp", "ticketing")}


ALONE, FINANCE, BOTH, NEVER = "alone", "finance-approvers:1", "finance-approvers:1, cfo-office:1", "never"


@pytest.mark.parametrize(
    ("agent", "tool", "minor", "answer"),
    [
        ("o2c-triage", "erp.get_invoice", None, ALONE),
        ("o2c-collections", "erp.list_invoices", None, ALONE),
        ("o2c-collections", "crm.add_note", None, ALONE),
        ("o2c-intake", "ticketing.open_ticket", None, ALONE),
        ("o2c-triage", "ticketing.add_comment", None, ALONE),
        ("o2c-triage", "erp.issue_credit_memo", 30_00, ALONE),
        ("o2c-triage", "erp.issue_credit_memo", 30_01, FINANCE),
        ("o2c-triage", "erp.issue_credit_memo", 5000_00, FINANCE),
        ("o2c-triage", "erp.issue_credit_memo", 5000_01, BOTH),
        ("o2c-triage", "erp.void_credit_memo", None, FINANCE),
        ("o2c-triage", "erp.write_off", 1, FINANCE),
        ("o2c-triage", "erp.write_off", 5000_01, BOTH),
        ("o2c-collections", "erp.issue_credit_memo", 1, NEVER),
        ("o2c-collections", "crm.update_customer", None, NEVER),
    ],
)
@pytest.mark.parametrize("currency", ["EUR", "USD"])
def test_policy_says(
    declaration: dict[str, Any], agent: str, tool: str, minor: int | None, answer: str, currency: str
) -> None:
    assert decide(declaration, agent, tool, minor, currency) == answer


def decide(declaration: dict[str, Any], agent: str, tool_name: str, minor: int | None, currency: str) -> str:
    """The strictest chain of all permits that apply; never when a forbid does or nothing permits."""
    tool = next(tool for tool in declaration["tools"] if tool["name"] == tool_name)
    text = "\n".join(policies["text"] for policies in declaration["policies"])
    context: dict[str, Any] = {
        "effect": tool["effect"],
        "data_classes": tool["data_classes"],
        "params": {name: _minor(value) for name, value in declaration["policies"][0]["parameters"].items()},
    }
    if minor is not None:
        context["money"] = {"minor": minor, "currency": currency}
    request = {
        "principal": f'Agent::"{agent}"',
        "action": f'Action::"{tool_name}"',
        "resource": f'Tool::"{tool_name}"',
        "context": context,
    }
    result = cedarpy.is_authorized(request, text, _entities(agent, tool))
    assert not result.diagnostics.errors
    if not result.allowed:
        return NEVER
    annotations = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    chains = [annotations[policy]["annotations"].get("approval", "") for policy in result.diagnostics.reasons]
    return max(chains, key=len) or ALONE


def _minor(value: dict[str, str]) -> dict[str, Any]:
    return {"minor": int(value["value"].replace(".", "")), "currency": value["currency"]}


def _entities(agent: str, tool: dict[str, Any]) -> list[dict[str, Any]]:
    def entity(kind: str, name: str, *parents: tuple[str, str]) -> dict[str, Any]:
        ancestors = [{"type": parent, "id": parent_name} for parent, parent_name in parents]
        return {"uid": {"type": kind, "id": name}, "attrs": {}, "parents": ancestors}

    return [
        entity("Agent", agent, ("Process", "order-to-cash")),
        entity("Action", tool["name"], ("Action", tool["effect"])),
        entity("Tool", tool["name"], ("Connector", tool["connector"])),
    ]
