"""Definitions of tools: what is refused, and what counts as a new version."""

import copy
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.actor import system_actor
from apps.core.errors import Invalid, NotAllowed
from apps.registry.definitions import definition_of
from apps.registry.models import Tool
from apps.registry.services import register_tool, register_tools
from tests.conftest import actor

pytestmark = pytest.mark.usefixtures("world")
SYSTEM = system_actor("test")

REFUND: dict[str, Any] = {
    "name": "erp.refund",
    "connector": "erp",
    "title": "Refund",
    "says": "Refund {money} for {order_id}",
    "effect": "write",
    "reversible": True,
    "compensation": {
        "tool": "erp.take_back",
        "arguments": {"refund_id": "/result/id", "reason": "/arguments/note/text"},
    },
    "idempotent": True,
    "lookup": {"tool": "erp.find", "arguments": {"reference": "/idempotency_key"}, "found": "/items/0"},
    "timeout_seconds": 2.5,
    "money": {"amount": "/amount", "currency": "/currency"},
    "entity": {"type": "order", "id": "/order_id"},
    "data_classes": ["financial"],
    "request": {"method": "POST", "path": "/orders/{order_id}/refunds", "query": {"c": "/currency"}, "body": "/"},
    "input_schema": {
        "type": "object",
        "additionalProperties": False,
        "required": ["order_id", "amount", "currency"],
        "properties": {
            "order_id": {"type": "string"},
            "amount": {"type": "string"},
            "currency": {"enum": ["EUR"]},
            "note": {"$ref": "#/$defs/note"},
        },
        "$defs": {"note": {"type": "object", "properties": {"text": {"type": "string"}}}},
    },
    "output_schema": {"type": "object", "required": ["id"]},
}
TAKE_BACK: dict[str, Any] = {
    "name": "erp.take_back",
    "connector": "erp",
    "title": "Take back",
    "says": "Take back refund {refund_id}",
    "effect": "write",
    "request": {"method": "DELETE", "path": "/refunds/{refund_id}"},
    "input_schema": {
        "type": "object",
        "required": ["refund_id"],
        "properties": {"refund_id": {"type": "string"}, "reason": {"type": "string"}},
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The refund with one part replaced, or removed where the value is None."""
    definition = copy.deepcopy(REFUND)
    part: Any = definition
    *steps, last = path.split(".")
    for step in steps:
        part = part[step]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return definition


def errors_of(definition: Any) -> list[dict[str, str]]:
    register_tool(definition=TAKE_BACK, actor=SYSTEM)
    with pytest.raises(Invalid) as refusal:
        register_tool(definition=definition, actor=SYSTEM)
    assert refusal.value.code == "tool.invalid"
    assert not Tool.objects.filter(name="erp.refund").exists()
    errors: list[dict[str, str]] = refusal.value.details["errors"]
    assert all(error["sentence"] for error in errors)
    return errors


def test_a_definition_becomes_a_tool_and_reads_back_the_same() -> None:
    tool, _ = register_tools(definitions=[REFUND, TAKE_BACK], actor=SYSTEM)
    tool = Tool.objects.select_related("connector").get(pk=tool.pk)
    assert definition_of(tool) == REFUND
    assert (tool.version, tool.money_amount, tool.entity_type, tool.timeout_seconds) == (1, "/amount", "order", 2.5)
    assert not tool.is_irreversible
    entry = AuditEntry.objects.get(code="tool.registered", subject_id=str(tool.id))
    assert (entry.subject_name, entry.data["version"]) == ("erp.refund", 1)
    assert entry.data["digest"] == tool.definition_digest


def test_the_same_definition_again_changes_nothing() -> None:
    before = register_tools(definitions=[REFUND, TAKE_BACK], actor=SYSTEM)[0]
    log = AuditEntry.objects.count()
    spelled_out = {**TAKE_BACK, "reversible": False, "money": None, "lookup": None, "data_classes": []}
    reordered = dict(reversed(REFUND.items()))
    after = register_tools(definitions=[spelled_out, reordered], actor=SYSTEM)[1]
    assert (after.version, after.definition_digest) == (1, before.definition_digest)
    assert AuditEntry.objects.count() == log


def test_another_definition_is_the_next_version() -> None:
    first = register_tools(definitions=[REFUND, TAKE_BACK], actor=SYSTEM)[0]
    second = register_tool(definition=changed("says", "Give back {money}"), actor=SYSTEM)
    assert (second.id, second.version) == (first.id, 2)
    assert second.definition_digest != first.definition_digest
    entry = AuditEntry.objects.get(code="tool.changed")
    assert (entry.data["version"], entry.data["fields"]) == (2, ["says"])
    assert register_tool(definition=REFUND, actor=SYSTEM).version == 3


def test_tools_may_refer_to_each_other_in_any_order() -> None:
    for definitions in ([REFUND, TAKE_BACK], [TAKE_BACK, REFUND]):
        assert len(register_tools(definitions=definitions, actor=SYSTEM)) == 2


def test_of_several_tools_all_are_registered_or_none() -> None:
    with pytest.raises(Invalid) as refusal:
        register_tools(definitions=[TAKE_BACK, changed("connector", "crm")], actor=SYSTEM)
    assert {error["pointer"] for error in refusal.value.details["errors"]} == {"/1/connector", "/1/name"}
    assert not Tool.objects.filter(name="erp.take_back").exists()


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        ("title", None, "/title"),
        ("color", "red", "/color"),
        ("effect", "maybe", "/effect"),
        ("name", "refund", "/name"),
        ("name", "crm.refund", "/name"),
        ("connector", "crm", "/connector"),
        ("timeout_seconds", 0, "/timeout_seconds"),
        ("input_schema.type", "objct", "/input_schema/type"),
        ("input_schema.type", "array", "/input_schema/type"),
        ("input_schema.properties.amount.pattern", "([", "/input_schema/properties/amount/pattern"),
        ("input_schema.properties.amount.$ref", "http://127.0.0.1:1/schema.json", "/input_schema"),
        ("input_schema.properties.amount.$ref", "#/$defs/nothing", "/input_schema"),
        ("output_schema.type", 7, "/output_schema/type"),
        ("input_schema.properties.amount.maxLength", 2**60, ""),
        ("money.amount", "/total", "/money/amount"),
        ("money.amount", "/amount/minor", "/money/amount"),
        ("money.amount", "/a~2", "/money/amount"),
        ("money.currency", None, "/money/currency"),
        ("entity.id", "/customer", "/entity/id"),
        ("says", "Refund {total}", "/says"),
        ("says", "Refund {order_id.__class__}", "/says"),
        ("says", "Refund {order_id!r}", "/says"),
        ("says", "Refund {0}", "/says"),
        ("says", "Refund {order_id", "/says"),
        ("request.path", "/refunds/{currency}/{note}", "/request/path"),
        ("request.path", "/refunds/../admin", "/request/path"),
        ("request.path", "//evil.example/refunds", "/request/path"),
        ("request.path", "https://evil.example/refunds", "/request/path"),
        ("request.path", "/refunds?all=1", "/request/path"),
        ("request.method", "BREW", "/request/method"),
        ("request.query.c", "/colour", "/request/query/c"),
        ("request.body", "/lines", "/request/body"),
        ("lookup.tool", "erp.nothing", "/lookup/tool"),
        ("lookup.tool", "erp.take_back", "/lookup/tool"),
        ("lookup.found", None, "/lookup/found"),
        ("lookup.found", "/items/~x", "/lookup/found"),
        ("lookup.arguments.reference", "/result/id", "/lookup/arguments/reference"),
        ("lookup.arguments.reference", None, "/lookup/arguments/reference"),
        ("lookup.arguments.page", "/idempotency_key", "/lookup/arguments/page"),
        ("compensation.tool", "erp.refund", "/compensation/tool"),
        ("compensation.tool", "erp.find", "/compensation/tool"),
        ("compensation.arguments.reason", "/arguments/why", "/compensation/arguments/reason"),
        ("compensation.arguments.refund_id", "/id", "/compensation/arguments/refund_id"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(path: str, value: Any, pointer: str) -> None:
    assert pointer in {error["pointer"] for error in errors_of(changed(path, value))}


def test_a_write_is_not_sent_as_a_get() -> None:
    assert {error["pointer"] for error in errors_of(changed("request.method", "GET"))} == {
        "/request/method",
        "/request/body",
    }


def test_money_must_be_told_before_it_can_be_said() -> None:
    assert [error["pointer"] for error in errors_of(changed("money", None))] == ["/says"]


def test_only_who_manages_the_whole_mesh_registers_tools() -> None:
    with pytest.raises(NotAllowed):
        register_tool(definition=TAKE_BACK, actor=actor("alex"))
    assert not Tool.objects.filter(name="erp.take_back").exists()
