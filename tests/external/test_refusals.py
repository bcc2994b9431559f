"""Every way to be refused, with its code, and nothing written."""

from typing import Any

import pytest

from tests.conftest import Robot
from tests.contract.database import contents
from tests.contract.problems import pointers_of, problem_of
from tests.external.asking import Api, approved, ask, asked, cancel, claim, returned, revise, vote

pytestmark = pytest.mark.django_db

NUL, SURROGATE, TURNED = "a\0b", "a\ud800b", "a\u202eb"

# (changes to the body, code, pointer)
ASKS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no sentence": ({"sentence": ...}, "input.invalid", "/sentence"),
    "an empty sentence": ({"sentence": ""}, "input.invalid", "/sentence"),
    "a sentence of 301": ({"sentence": "x" * 301}, "input.invalid", "/sentence"),
    "a sentence with a blank before it": ({"sentence": " Pay"}, "input.invalid", "/sentence"),
    "a sentence of two lines": ({"sentence": "Pay\nnothing"}, "input.invalid", "/sentence"),
    "a sentence that turns round": ({"sentence": TURNED}, "input.invalid", "/sentence"),
    "a number for a sentence": ({"sentence": 7}, "input.invalid", "/sentence"),
    "a null byte": ({"system": NUL}, "input.invalid", "/system"),
    "a lone surrogate": ({"action": SURROGATE}, "input.invalid", "/action"),
    "a lone surrogate of the rationale": ({"rationale": SURROGATE}, "input.invalid", "/rationale"),
    "no key": ({"idempotency_key": ...}, "input.invalid", "/idempotency_key"),
    "a key of 201": ({"idempotency_key": "x" * 201}, "input.invalid", "/idempotency_key"),
    "no digest": ({"payload_sha256": ...}, "input.invalid", "/payload_sha256"),
    "a digest in capitals": ({"payload_sha256": "A" * 64}, "input.invalid", "/payload_sha256"),
    "51 facts": ({"facts": [[str(n), "x"] for n in range(51)]}, "input.invalid", "/facts"),
    "half a fact": ({"facts": [["Vendor"]]}, "input.invalid", "/facts/0"),
    "a fact twice": ({"facts": [["Vendor", "A"], ["Vendor", "B"]]}, "input.invalid", "/facts"),
    "a fact that is an object": ({"facts": [{"Vendor": "A"}]}, "input.invalid", "/facts/0"),
    "no stages": ({"stages": ...}, "input.invalid", "/stages"),
    "an empty chain": ({"stages": []}, "input.invalid", "/stages"),
    "six stages": ({"stages": [{"team": f"team-{n}"} for n in range(6)]}, "input.invalid", "/stages"),
    "a team twice": ({"stages": [{"team": "cfo-office"}, {"team": "cfo-office"}]}, "input.invalid", "/stages"),
    "a quorum of none": ({"stages": [{"team": "cfo-office", "quorum": 0}]}, "input.invalid", "/stages/0/quorum"),
    "a quorum of 21": ({"stages": [{"team": "cfo-office", "quorum": 21}]}, "input.invalid", "/stages/0/quorum"),
    "an unknown team": (
        {"stages": [{"team": "finance-approvers"}, {"team": "nobody"}]},
        "external.unknown_team",
        "/stages/1/team",
    ),
    "59 seconds": ({"expires_in_seconds": 59}, "input.invalid", "/expires_in_seconds"),
    "31 days": ({"expires_in_seconds": 31 * 86400}, "input.invalid", "/expires_in_seconds"),
    "an unknown risk": ({"risk": "none"}, "input.invalid", "/risk"),
    "money of no currency": ({"money": {"amount": "1.00", "currency": "XXY"}}, "money.unknown_currency", "/money"),
    "half a cent": ({"money": {"amount": "1.005", "currency": "EUR"}}, "money.not_an_amount", "/money"),
    "negative money": ({"money": {"amount": "-1.00", "currency": "EUR"}}, "money.negative", "/money"),
    "money as a number": ({"money": {"amount": 1.5, "currency": "EUR"}}, "input.invalid", "/money/amount"),
    "a confidence of 2": ({"confidence": 2}, "input.invalid", "/confidence"),
    "an unknown person": ({"on_behalf_of": "nobody"}, "on_behalf_of_unknown", "/on_behalf_of"),
    "a policy without a version": ({"policy": [{"id": "a", "says": "b"}]}, "input.invalid", "/policy/0/version"),
}
CALLBACKS = {
    "plain http": "http://gateway.example.com/hook",
    "no host": "https:///hook",
    "no scheme": "gateway.example.com/hook",
    "a file": "file:///etc/passwd",
    "a user": "https://user@gateway.example.com/hook",
    "a password": "https://user:secret@gateway.example.com/hook",
    "a fragment": "https://gateway.example.com/hook#x",
    "a port that is none": "https://gateway.example.com:99999/hook",
    "letters outside ASCII": "https://gätewäy.example.com/hook",
    "a blank": "https://gateway.example.com/a b",
    "a backslash": "https://gateway.example.com\\@other.example.com/",
    "brackets that do not close": "https://[::1/hook",
}


@pytest.mark.parametrize("what", ASKS)
def test_an_ask_that_means_nothing_is_refused_and_writes_nothing(writer: Robot, what: str) -> None:
    changes, code, pointer = ASKS[what]
    before = contents()
    answer = ask(writer, **changes)

    assert problem_of(answer) == (422, code)
    assert pointers_of(answer) == {pointer}
    assert contents() == before


@pytest.mark.parametrize("what", CALLBACKS)
def test_a_callback_leads_to_a_host_over_tls(writer: Robot, what: str) -> None:
    before = contents()
    answer = ask(writer, callback_url=CALLBACKS[what])

    assert problem_of(answer) == (422, "external.bad_callback")
    assert pointers_of(answer) == {"/callback_url"}
    assert contents() == before


def test_a_callback_of_an_unusual_port_is_fine(writer: Robot) -> None:
    assert asked(writer, callback_url="https://gateway.example.com:8443/hook?team=7")["webhook_secret"]


def _pending(robot: Robot, api: Api) -> dict[str, Any]:
    return asked(robot)


def _claimed(robot: Robot, api: Api) -> dict[str, Any]:
    told = approved(robot, api)
    assert claim(robot, told).status_code == 200
    return told


def _rejected(robot: Robot, api: Api) -> dict[str, Any]:
    told = asked(robot)
    vote(api, "dana", told, "reject", reason_code="duplicate")
    return told


def _cancelled(robot: Robot, api: Api) -> dict[str, Any]:
    told = asked(robot)
    assert cancel(robot, told).status_code == 200
    return told


NEW = {"money": {"amount": "12380.00", "currency": "EUR"}}
# (how it got there, the act, code)
ACTS: dict[str, tuple[Any, Any, str]] = {
    "claim what waits": (_pending, claim, "external.not_approved"),
    "claim what is to be changed": (returned, claim, "external.not_approved"),
    "claim what was rejected": (_rejected, claim, "external.not_approved"),
    "claim what was cancelled": (_cancelled, claim, "external.not_approved"),
    "claim what was claimed": (_claimed, claim, "external.claimed"),
    "claim another payload": (approved, lambda robot, told: claim(robot, told, "c" * 64), "stale"),
    "cancel what was rejected": (_rejected, cancel, "external.not_cancellable"),
    "cancel what was claimed": (_claimed, cancel, "external.not_cancellable"),
    "cancel what was cancelled": (_cancelled, cancel, "external.not_cancellable"),
    "change what waits": (_pending, lambda robot, told: revise(robot, told, **NEW), "external.not_your_turn"),
    "change what was approved": (approved, lambda robot, told: revise(robot, told, **NEW), "external.not_your_turn"),
    "change what was cancelled": (_cancelled, lambda robot, told: revise(robot, told, **NEW), "external.not_your_turn"),
    "change under another key": (
        returned,
        lambda robot, told: revise(robot, told, idempotency_key="k-2", **NEW),
        "idempotency_conflict",
    ),
}


@pytest.mark.parametrize("what", ACTS)
def test_an_act_that_comes_at_the_wrong_time_is_a_conflict_and_writes_nothing(
    writer: Robot, api: Api, what: str
) -> None:
    arrange, act, code = ACTS[what]
    told = arrange(writer, api)
    before = contents()

    assert problem_of(act(writer, told)) == (409, code)
    assert contents() == before


@pytest.mark.parametrize("payload", [{}, {"payload_sha256": "x"}, {"payload_sha256": None}, {"payload_sha256": 7}])
def test_a_claim_names_a_digest(writer: Robot, api: Api, payload: dict[str, Any]) -> None:
    told = approved(writer, api)
    before = contents()
    answer = writer.api().post(f"/api/v1/external-approvals/{told['id']}/claim", payload, format="json")

    assert problem_of(answer) == (422, "input.invalid")
    assert pointers_of(answer) == {"/payload_sha256"}
    assert contents() == before


@pytest.mark.parametrize("query", ["wait=-1", "wait=soon", "wait=nan", "wait=inf"])
def test_a_wait_is_a_whole_number_of_seconds(writer: Robot, query: str) -> None:
    told = asked(writer)
    answer = writer.api().get(f"/api/v1/external-approvals/{told['id']}?{query}")

    assert problem_of(answer) == (422, "input.invalid")
    assert pointers_of(answer) == {"/wait"}
