"""Each fault does what it says: to the answer, and to the effect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.examples.running import Systems

ROUTE = "POST /credit-memos"


@pytest.fixture
def erp(systems: Systems) -> Iterator[httpx.Client]:
    with systems.http("erp") as client:
        yield client


@pytest.fixture
def post(erp: httpx.Client, open_disputes: Callable[..., list[dict[str, Any]]]) -> Callable[..., httpx.Response]:
    invoice = open_disputes(1)[0]
    names = ("customer_id", "currency")
    memo = {"invoice_id": invoice["id"], "amount": "1.00", "reason_code": "goodwill", **{n: invoice[n] for n in names}}
    headers = {"Idempotency-Key": "k"}
    return lambda timeout=10.0: erp.post("/credit-memos", json=memo, headers=headers, timeout=timeout)


def switch(erp: httpx.Client, rules: dict[str, Any], seed: int = 1) -> None:
    assert erp.put("/faults", json={"seed": seed, "rules": rules}).status_code == 200


def effects(erp: httpx.Client) -> int:
    return len(erp.get("/ledger").json()["items"])


@pytest.mark.parametrize(
    ("fault", "status", "effect_count"),
    [("error_500_before", 500, 0), ("error_500_after", 500, 1), ("garbage", 200, 1)],
)
def test_an_answer_lies_about_the_effect(
    erp: httpx.Client, post: Callable[..., httpx.Response], fault: str, status: int, effect_count: int
) -> None:
    switch(erp, {ROUTE: {fault: 1}})
    answer = post()
    assert (answer.status_code, effects(erp)) == (status, effect_count)
    if fault == "garbage":
        with pytest.raises(ValueError):
            answer.json()


@pytest.mark.parametrize(
    ("rule", "error"),
    [({"lost_answer": 1}, httpx.RemoteProtocolError), ({"timeout_after": 1, "hold_seconds": 1}, httpx.ReadTimeout)],
)
def test_no_answer_comes_and_the_effect_is_there(
    erp: httpx.Client, post: Callable[..., httpx.Response], rule: dict[str, Any], error: type[Exception]
) -> None:
    switch(erp, {ROUTE: rule})
    with pytest.raises(error):
        post(0.5)
    assert effects(erp) == 1
    switch(erp, {})
    assert post().status_code == 200
    assert effects(erp) == 1


def test_latency_delays_an_answer(erp: httpx.Client) -> None:
    switch(erp, {"GET /invoices": {"latency_ms": 200}})
    started = time.monotonic()
    assert erp.get("/invoices").status_code == 200
    assert time.monotonic() - started >= 0.2


def test_what_judges_the_effects_has_no_faults(erp: httpx.Client) -> None:
    switch(erp, {"*": {"error_500_before": 1}})
    assert erp.get("/invoices").status_code == 500
    for path in ("/ledger", "/ledger/summary", "/events", "/faults", "/healthz"):
        assert erp.get(path).status_code == 200


def test_a_route_of_its_own_wins_over_all_routes(erp: httpx.Client, post: Callable[..., httpx.Response]) -> None:
    switch(erp, {"*": {"error_500_before": 1}, ROUTE: {"latency_ms": 0}})
    assert erp.get("/invoices").status_code == 500
    assert post().status_code == 201


def test_a_seed_repeats_a_bad_day(erp: httpx.Client) -> None:
    def day() -> list[int]:
        switch(erp, {"GET /invoices": {"error_500_before": 0.5}}, seed=42)
        return [erp.get("/invoices").status_code for _ in range(20)]

    first = day()
    assert set(first) == {200, 500}
    assert day() == first


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"rules": 1},
        {"seed": "x"},
        {"other": 1},
        {"rules": {"POST /nothing": {}}},
        {"rules": {"*": {"explode": 1}}},
        {"rules": {"*": {"garbage": 2}}},
        {"rules": {"*": {"garbage": True}}},
        {"rules": {"*": 3}},
    ],
)
def test_unknown_switches_are_refused(erp: httpx.Client, document: Any) -> None:
    answer = erp.put("/faults", json=document)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_faults")
    assert erp.get("/faults").json()["rules"] == {}
