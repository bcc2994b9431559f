"""Approve with edits on a page: a form made of the tool's schema, refused field by field, kept as it was typed."""

import json
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from django.test import Client

from apps.approvals.models import Approval
from apps.gateway.forms import EditForm
from apps.gateway.stored import stored_request
from apps.registry.models import Tool
from tests.conftest import Robot, credit, parked, person, settle_news
from tests.contract.database import contents
from tests.fakes.erp import FakeErp
from tests.gateway.test_edit_tool_call import reread, vote

HTMX = {"HX-Request": "true"}


def url_of(approval: Approval) -> str:
    return f"/inbox/{approval.id}/edit/"


def typed(approval: Approval, **arguments: str) -> dict[str, str]:
    """What a browser sends when these fields were changed."""
    fields = {**credit("1280.00"), "note": "", **arguments}
    choices = {"currency", "reason_code"}
    sent = {f"argument-{name}": json.dumps(value) if name in choices else value for name, value in fields.items()}
    return {**sent, "digest": approval.digest, "comment": "", "dwell": "4.2"}


@pytest.mark.django_db
def test_the_form_shows_what_was_asked_and_what_an_edit_means(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    _, approval = parked(writer)
    page = sign_in("dana").get(url_of(approval))
    text = unescape(page.content.decode())

    assert page.status_code == 200
    assert "<h1" in text
    assert "Approve with edits" in text
    assert 'name="argument-amount" value="1280.00"' in text
    assert '<option value="&quot;EUR&quot;" selected>EUR</option>' in page.content.decode()
    assert "Changing anything but lowering the amount needs someone else's approval." in text
    assert f'href="/inbox/{approval.id}/"' in text


@pytest.mark.django_db
def test_htmx_gets_it_in_the_place_of_the_card(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    _, approval = parked(writer)
    part = sign_in("dana").get(url_of(approval), headers=HTMX).content.decode()

    assert part.count('id="card"') == 1
    assert "<html" not in part
    assert 'hx-target="#card"' in part
    assert "<h2" in part


@pytest.mark.django_db
def test_a_lower_amount_leads_to_the_card_of_the_new_version(
    writer: Robot, erp: FakeErp, sign_in: Callable[[str], Client]
) -> None:
    call, approval = parked(writer)
    answer = sign_in("dana").post(url_of(approval), typed(approval, amount="900.00"))
    renewed = reread(call).approval

    assert renewed is not None
    assert (answer.status_code, answer["Location"]) == (302, f"/inbox/{renewed.id}/")
    given = renewed.votes.get()
    assert (given.voter, given.dwell_seconds) == (person("dana"), 4.2)
    assert stored_request(reread(call)).arguments == credit("900.00")


@pytest.mark.django_db
def test_a_reversible_one_of_low_risk_can_be_undone_and_this_one_is_not_of_high_risk(
    writer: Robot, erp: FakeErp, sign_in: Callable[[str], Client]
) -> None:
    """The process's rule holds the vote back as on the card."""
    call, approval = parked(writer)
    sign_in("dana").post(url_of(approval), typed(approval, amount="900.00"))
    settle_news()
    renewed = reread(call).approval

    assert renewed is not None
    assert renewed.settles_at is not None
    assert erp.requests == []


@pytest.mark.django_db
def test_htmx_is_sent_to_the_new_card(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    call, approval = parked(writer)
    answer = sign_in("dana").post(url_of(approval), typed(approval, amount="1400.00"), headers=HTMX)
    where = json.loads(answer["HX-Location"])

    assert answer.status_code == 204
    assert where == {"path": f"/inbox/{reread(call).approval_id}/", "target": "#card", "swap": "outerHTML"}


REFUSED: list[tuple[str, dict[str, str], int, str]] = [
    ("a form of the amount nobody writes", {"amount": "900"}, 422, "It has to be written like “1280.00”."),
    ("an amount of nothing", {"amount": ""}, 422, "It has to be written like “1280.00”."),
    ("a choice that is none", {"currency": "YEN"}, 422, "Select a valid choice."),
    ("nothing different", {}, 422, "Nothing is different from what is waiting already."),
    ("what policy denies", {"currency": "USD"}, 422, "With these changes policy would not allow it."),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("what", "change", "status", "words"), REFUSED, ids=[row[0] for row in REFUSED])
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
def test_refused_beside_the_field_with_everything_kept(
    writer: Robot,
    sign_in: Callable[[str], Client],
    what: str,
    change: dict[str, str],
    status: int,
    words: str,
    headers: dict[str, str],
) -> None:
    _, approval = parked(writer)
    client = sign_in("dana")
    before = contents()
    form = {**typed(approval, **change), "comment": "My own words"}
    answer = client.post(url_of(approval), form, headers=headers)
    text = unescape(answer.content.decode())

    assert answer.status_code == status
    assert words in text
    assert "My own words" in text
    assert contents() == before


@pytest.mark.django_db
def test_a_stale_form_says_so_and_leads_to_what_it_is_now(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    _, approval = parked(writer)
    form = {**typed(approval, amount="900.00"), "digest": "0" * 64}
    answer = sign_in("dana").post(url_of(approval), form, headers=HTMX)

    assert answer.status_code == 409
    assert "This is not what you were shown" in answer.content.decode()
    assert f'href="/inbox/{approval.id}/"' in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("username", "status"), [("dana", 200), ("felix", 200), ("carla", 403), ("omar", 403), ("otto", 404)]
)
def test_who_may_open_it(writer: Robot, sign_in: Callable[[str], Client], username: str, status: int) -> None:
    _, approval = parked(writer)
    assert sign_in(username).get(url_of(approval)).status_code == status


@pytest.mark.django_db
def test_what_is_decided_cannot_be_opened(writer: Robot, erp: FakeErp, sign_in: Callable[[str], Client]) -> None:
    _, approval = parked(writer)
    vote(approval, "felix")
    assert sign_in("dana").get(url_of(approval)).status_code == 409


def form_of(schema: dict[str, Any], arguments: dict[str, Any], **changes: str) -> EditForm:
    """The form as a browser sends it back, with these changes."""
    tool = Tool(input_schema=schema)
    blank = EditForm(tool, arguments, digest="0" * 64)
    sent = {field.html_name: str(field.value() or "").replace("\n", "\r\n") for field in blank}
    sent |= {"digest": "0" * 64} | {name if name == "more" else f"argument-{name}": v for name, v in changes.items()}
    return EditForm(tool, arguments, digest="0" * 64, data=QueryDict(urlencode(sent)))


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "level"],
    "properties": {
        "name": {"type": "string"},
        "text": {"type": "string", "maxLength": 2000},
        "level": {"enum": ["low", "high", 3, None]},
        "count": {"type": "integer"},
        "rate": {"type": "number"},
        "is_urgent": {"type": "boolean"},
        "lines": {"type": "array", "items": {"type": "object"}},
        "anything": {},
    },
}
EVERYTHING: dict[str, Any] = {
    "name": " Å ",
    "text": "one\ntwo",
    "level": 3,
    "count": 7,
    "rate": 1.0,
    "is_urgent": False,
    "lines": [{"sku": "a", "price": 1.10}],
    "anything": "1",
    "undeclared": {"x": [1]},
}


@pytest.mark.parametrize(
    "arguments", [EVERYTHING, {"name": "", "level": None}, {"name": "x", "level": "low", "count": "not a number"}]
)
def test_what_was_not_touched_comes_back_exactly_as_it_was(arguments: dict[str, Any]) -> None:
    form = form_of(SCHEMA, arguments)
    assert form.is_valid(), form.errors
    assert form.arguments == arguments
    assert [type(value) for value in form.arguments.values()] == [type(arguments[name]) for name in form.arguments]


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("name", "new", "new"),
        ("text", "three\r\nfour", "three\r\nfour"),
        ("level", '"high"', "high"),
        ("level", "null", None),
        ("count", "-8", -8),
        ("rate", "2.5", 2.5),
        ("rate", "2", 2),
        ("is_urgent", "true", True),
        ("lines", '[{"sku": "b"}]', [{"sku": "b"}]),
        ("anything", "1", 1),
    ],
)
def test_each_kind_of_argument_can_be_changed(field: str, text: str, value: Any) -> None:
    form = form_of(SCHEMA, EVERYTHING, **{field: text})
    assert form.is_valid(), form.errors
    assert form.arguments == {**EVERYTHING, field: value}
    assert type(form.arguments[field]) is type(value)


@pytest.mark.parametrize("field", ["text", "count", "rate", "is_urgent", "lines", "anything"])
def test_an_optional_argument_that_is_emptied_is_not_given(field: str) -> None:
    form = form_of(SCHEMA, EVERYTHING, **{field: ""})
    assert form.is_valid(), form.errors
    assert field not in form.arguments


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("count", "seven"),
        ("rate", "NaN"),
        ("rate", "1e999"),
        ("lines", "[1"),
        ("more", "[1]"),
        ("anything", '"\\u0000"'),
    ],
)
def test_what_cannot_be_read_is_said_at_its_field(field: str, text: str) -> None:
    form = form_of(SCHEMA, EVERYTHING, **{field: text})
    assert not form.is_valid()
    assert list(form.errors) == [field if field == "more" else f"argument-{field}"]


def test_the_text_of_a_field_is_what_people_read() -> None:
    form = EditForm(Tool(input_schema=SCHEMA), EVERYTHING, digest="0" * 64)
    shown = {field.label: field.value() for field in form.argument_fields()}
    assert shown["Is urgent"] == "false"
    assert json.loads(shown["Further arguments"]) == {"undeclared": {"x": [1]}}
