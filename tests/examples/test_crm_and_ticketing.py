"""The CRM is idempotent by key; ticketing is not, and can be asked instead."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from examples.order_to_cash import world
from tests.examples.running import Systems


@pytest.fixture
def crm(systems: Systems) -> Iterator[httpx.Client]:
    with systems.http("crm") as client:
        client.post("/customers/import", json={"customers": world.customers()})
        yield client


@pytest.fixture
def ticketing(systems: Systems) -> Iterator[httpx.Client]:
    with systems.http("ticketing") as client:
        yield client


def test_a_customer_is_read_with_tier_and_terms(crm: httpx.Client) -> None:
    customer = crm.get("/customers/C-1001").json()
    assert (customer["name"], customer["tier"], customer["terms"]) == (
        "Nordlicht Optik GmbH",
        "gold",
        {"payment_days": 30},
    )
    assert crm.get("/customers/C-0").status_code == 404


def test_customers_are_imported_once(crm: httpx.Client) -> None:
    again = crm.post("/customers/import", json={"customers": world.customers()}).json()
    assert again == {"created": 0, "unchanged": 40}
    assert crm.post("/customers/import", json={"customers": [{"id": "C-1"}]}).status_code == 422


def test_a_note_is_written_once_per_key(crm: httpx.Client) -> None:
    def note(text: str, key: str) -> httpx.Response:
        return crm.post("/customers/C-1001/notes", json={"note": text}, headers={"Idempotency-Key": key})

    answers = [note("called", "k"), note("called", "k"), note("called", "k2"), note("wrote", "k")]
    assert [answer.status_code for answer in answers] == [201, 200, 201, 409]
    assert crm.get("/customers/C-1001").json()["note_count"] == 2


def test_more_time_is_given_once_per_key_and_can_be_taken_back(crm: httpx.Client) -> None:
    def extend(days: object, key: str, customer: str = "C-1001") -> httpx.Response:
        body = {"customer_id": customer, "invoice_id": "INV-100001", "days": days}
        return crm.post(f"/customers/{customer}/extensions", json=body, headers={"Idempotency-Key": key})

    answers = [extend(14, "k"), extend(14, "k"), extend(14, "k2"), extend(7, "k")]
    assert [answer.status_code for answer in answers] == [201, 200, 201, 409]
    assert answers[0].json()["id"] == answers[1].json()["id"] != answers[2].json()["id"]
    assert [extend(days, "k3").status_code for days in (0, 31, "soon")] == [422] * 3
    assert extend(14, "k4", "C-0").status_code == 404
    withdraw = f"/extensions/{answers[0].json()['id']}/withdraw"
    assert [crm.post(withdraw).json()["status"] for _ in range(2)] == ["withdrawn", "withdrawn"]
    assert crm.post("/extensions/EXT-0/withdraw").status_code == 404


def test_master_data_can_be_changed_by_who_reaches_it(crm: httpx.Client) -> None:
    changed = crm.patch("/customers/C-1004", json={"contact_email": "new@example.com"}).json()
    assert (changed["contact_email"], changed["is_email_bouncing"]) == ("new@example.com", False)
    assert crm.patch("/customers/C-1004", json={"contact_email": "nobody"}).status_code == 422


def test_every_request_opens_a_ticket_and_the_reference_finds_them(ticketing: httpx.Client) -> None:
    ticket = {"reference": "INV-1/dispute", "customer_id": "C-1", "title": "Dispute", "text": "Too much"}
    headers = {"Idempotency-Key": "k"}
    ids = [ticketing.post("/tickets", json=ticket, headers=headers).json()["id"] for _ in range(2)]
    found = ticketing.get("/tickets", params={"reference": "INV-1/dispute"}).json()["items"]
    assert [item["id"] for item in found] == ids
    assert len(set(ids)) == 2


def test_comments_are_kept_in_order(ticketing: httpx.Client) -> None:
    body = {"reference": "r", "customer_id": "C-1", "title": "Dispute", "text": "Too much"}
    ticket_id = ticketing.post("/tickets", json=body).json()["id"]
    for text in ("first", "second"):
        comment = {"ticket_id": ticket_id, "text": text}
        assert ticketing.post(f"/tickets/{ticket_id}/comments", json=comment).status_code == 201
    comments = ticketing.get(f"/tickets/{ticket_id}").json()["comments"]
    assert [comment["text"] for comment in comments] == ["first", "second"]
    assert ticketing.post("/tickets/T-none/comments", json={"text": "x"}).status_code == 404
