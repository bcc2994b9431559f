"""The ERP: honest idempotency, an append-only ledger, refusals that say what is wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.examples.running import Systems

MEMO = {"amount": "12.30", "reason_code": "price_mismatch"}


@pytest.fixture
def erp(systems: Systems) -> Iterator[httpx.Client]:
    with systems.http("erp") as client:
        yield client


@pytest.fixture
def memo(open_disputes: Callable[..., list[dict[str, Any]]]) -> dict[str, Any]:
    """A credit memo that fits the first invoice there is."""
    invoice = open_disputes(3)[0]
    return {**MEMO, "invoice_id": invoice["id"], **{name: invoice[name] for name in ("customer_id", "currency")}}


def post(erp: httpx.Client, memo: dict[str, Any], key: str | None) -> httpx.Response:
    return erp.post("/credit-memos", json=memo, headers={"Idempotency-Key": key} if key else {})


def ledger(erp: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = erp.get("/ledger").json()["items"]
    return items


def test_one_key_posts_once_under_twenty_threads(erp: httpx.Client, memo: dict[str, Any]) -> None:
    def one(_: int) -> tuple[int, str]:
        answer = post(erp, memo, "INV/credit")
        return answer.status_code, answer.json()["id"]

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(one, range(100)))
    assert len({memo_id for _, memo_id in answers}) == 1
    assert sorted(status for status, _ in answers) == [200] * 99 + [201]
    assert len(ledger(erp)) == 1


def test_one_key_with_another_body_is_refused(erp: httpx.Client, memo: dict[str, Any]) -> None:
    assert post(erp, memo, "k").status_code == 201
    answer = post(erp, {**memo, "amount": "12.31"}, "k")
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    assert len(ledger(erp)) == 1


def test_without_a_key_every_request_posts(erp: httpx.Client, memo: dict[str, Any]) -> None:
    assert [post(erp, memo, None).status_code for _ in range(2)] == [201, 201]
    assert [entry["reference"] for entry in ledger(erp)] == [None, None]


def test_a_posting_is_found_by_its_reference(erp: httpx.Client, memo: dict[str, Any]) -> None:
    posted = post(erp, memo, "INV-1/credit").json()
    found = erp.get("/credit-memos", params={"reference": "INV-1/credit"}).json()["items"]
    assert [item["id"] for item in found] == [posted["id"]]
    assert erp.get("/credit-memos", params={"reference": "other"}).json() == {"items": []}


def test_a_posting_resolves_the_dispute_and_lowers_what_is_open(erp: httpx.Client, memo: dict[str, Any]) -> None:
    before = erp.get(f"/invoices/{memo['invoice_id']}").json()
    post(erp, memo, "k")
    after = erp.get(f"/invoices/{memo['invoice_id']}").json()
    assert (before["status"], after["status"]) == ("disputed", "open")
    assert float(before["open_amount"]) - float(after["open_amount"]) == pytest.approx(12.30)
    events = erp.get("/events", params={"type": "resolution_posted"}).json()["items"]
    assert [set(event) for event in events] == [{"id", "type", "invoice_id", "at"}]


def test_a_void_takes_a_memo_back_once(erp: httpx.Client, memo: dict[str, Any]) -> None:
    memo_id = post(erp, memo, "k").json()["id"]
    voids = [erp.post(f"/credit-memos/{memo_id}/void") for _ in range(2)]
    assert [(void.status_code, void.json()["status"]) for void in voids] == [(200, "void"), (200, "void")]
    assert [entry["kind"] for entry in ledger(erp)] == ["credit_memo", "void"]
    assert erp.post("/credit-memos/CM-none/void").status_code == 404


def test_the_summary_counts_per_currency(erp: httpx.Client, memo: dict[str, Any]) -> None:
    for number in range(3):
        post(erp, memo, f"k{number}")
    write_off = {**memo, "reason_code": "uncollectible"}
    assert erp.post("/write-offs", json=write_off, headers={"Idempotency-Key": "w"}).status_code == 201
    summary = erp.get("/ledger/summary").json()
    currency = memo["currency"]
    assert summary["credit_memo"] == {currency: {"count": 3, "minor": 3690}}
    assert summary["write_off"] == {currency: {"count": 1, "minor": 1230}}
    assert summary["void"] == {}


def test_the_ledger_cannot_be_changed(systems: Systems, erp: httpx.Client, memo: dict[str, Any]) -> None:
    post(erp, memo, "k")
    with sqlite3.connect(systems.home / "erp.sqlite3") as connection:
        for statement in ("DELETE FROM ledger", "UPDATE ledger SET amount_minor = 1"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)


def test_lists_are_paged(erp: httpx.Client, memo: dict[str, Any]) -> None:
    first = erp.get("/invoices", params={"status": "disputed", "limit": 2}).json()
    rest = erp.get("/invoices", params={"status": "disputed", "limit": 2, "after": first["next"]}).json()
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)
    for number in range(3):
        post(erp, memo, f"k{number}")
    page = erp.get("/ledger", params={"limit": 2}).json()
    assert len(erp.get("/ledger", params={"after": page["next"]}).json()["items"]) == 1


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"amount": "12.3"}, 422, "amount"),
        ({"amount": "0.00"}, 422, "amount"),
        ({"amount": 12}, 422, "amount"),
        ({"currency": "GBP"}, 422, "currency"),
        ({"reason_code": "because"}, 422, "reason_code"),
        ({"customer_id": "C-other"}, 422, "customer_id"),
        ({"invoice_id": "1042"}, 422, "invoice_id"),
        ({"invoice_id": "INV-999999999"}, 404, None),
    ],
)
def test_a_wrong_memo_is_refused_by_field(
    erp: httpx.Client, memo: dict[str, Any], change: dict[str, Any], status: int, field: str | None
) -> None:
    answer = post(erp, {**memo, **change}, "k")
    assert (answer.status_code, answer.json().get("field")) == (status, field)
    assert ledger(erp) == []


def test_the_door_is_kept(systems: Systems, erp: httpx.Client) -> None:
    url = systems.urls["erp"]
    assert httpx.get(f"{url}/invoices").status_code == 401
    assert httpx.get(f"{url}/invoices", headers={"Authorization": "Bearer ünknown".encode()}).status_code == 401
    assert httpx.get(f"{url}/healthz").status_code == 200
    assert httpx.get(f"{url}/events").status_code == 200
    assert erp.get("/nothing").status_code == 404
    assert erp.delete("/invoices").status_code == 405
    assert erp.post("/credit-memos", content=b"{").status_code == 400
    assert erp.post("/credit-memos", json=[1]).status_code == 400
    assert erp.get("/invoices", params={"limit": "many"}).status_code == 422
    assert erp.post("/credit-memos", content=iter([b"{}"])).status_code == 411


def test_an_import_is_whole_or_nothing(erp: httpx.Client, open_disputes: Callable[..., list[dict[str, Any]]]) -> None:
    known = open_disputes(1)[0]
    fresh = {**known, "id": "INV-77"}
    changed = {**known, "amount": "1.00"}
    assert erp.post("/invoices/import", json={"invoices": [fresh, changed]}).status_code == 409
    assert erp.get("/invoices/INV-77").status_code == 404
    again = erp.post("/invoices/import", json={"invoices": [fresh, known]}).json()
    assert again == {"created": 1, "unchanged": 1}
