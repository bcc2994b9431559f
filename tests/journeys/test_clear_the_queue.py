"""A whole queue cleared, by keyboard, by pointer, by thumb and at a stroke, and only what was approved is done."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.journeys.conftest import Seat
from tests.journeys.test_approve_and_halt import credit
from tests.journeys.test_undo_in_time import extended, extension
from tests.live import LiveConsole, until

pytestmark = [pytest.mark.browser, pytest.mark.mesh]

# Seen from a browser, on a machine that is busy with the whole installation. The figure the product stands for, 150 ms
# of server time, is measured by the benchmarks.
SLOWEST_NEXT_CARD_MS = 1500.0
MOST_KEYS, MOST_PRESSES = 2, 1
PHONE = {"width": 360, "height": 740}
THUMB = 44.0  # px
VERDICTS = ("approve", "approve", "reject", "reject", "request_changes")
TOLD = {
    "approve": "approved by Felix Braun",
    "reject": "rejected by Felix Braun",
    "request_changes": "Felix Braun asked for changes",
    "edit": "replaced",
    "cancel": "cancelled",
}
# From the press to the last byte of the page it led to.
ANSWER_TIME = "() => performance.getEntriesByType('navigation')[0].responseEnd"


def write_off(number: int, amount: str) -> dict[str, Any]:
    """Irreversible, so a sheet restates it; above €5,000.00 the CFO office is asked after finance."""
    asked = credit(number, amount)
    arguments = {**asked["arguments"], "reason_code": "uncollectible"}
    return {**asked, "tool": "erp.write_off", "arguments": arguments, "idempotency_key": f"INV-{number}/write-off"}


@dataclass
class Work:
    """Twenty requests of four kinds, each known by its invoice, and which of them were rejected."""

    live: LiveConsole
    extensions: list[int]
    credits: list[int]
    write_offs: list[int]
    large_write_offs: list[int]
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    rejected: set[int] = field(default_factory=set)

    def ask(self) -> None:
        bodies = {number: extension(number) for number in self.extensions}
        bodies |= {number: credit(number, f"{700 + place}.00") for place, number in enumerate(self.credits)}
        bodies |= {number: write_off(number, "90.00") for number in self.write_offs}
        bodies |= {number: write_off(number, "6000.00") for number in self.large_write_offs}
        with self.live.agent("o2c-collections") as collections, self.live.agent("o2c-triage") as triage:
            for number, body in bodies.items():
                agent = collections if number in self.extensions else triage
                self.calls[number] = agent.post("/api/v1/tool-calls", json=body).json()
                assert self.calls[number]["state"] == "awaiting_approval", self.calls[number]

    def number_in(self, sentence: str) -> int:
        return next(number for number in self.calls if f"INV-{number}" in sentence)

    def is_reversible(self, number: int) -> bool:
        return number in self.extensions or number in self.credits

    def is_done_as_decided(self) -> None:
        """ERP and CRM hold what was approved, once, and nothing else; what needs the CFO office still waits."""
        half_way = {number for number in self.large_write_offs if number not in self.rejected}
        approved = [number for number in self.calls if number not in self.rejected | half_way]
        until(lambda: self._has_ended(approved), "everything approved has ended", seconds=40)
        posted = {(f"INV-{number}", "credit_memo", f"{700 + place}.00") for place, number in enumerate(self.credits)}
        posted |= {(f"INV-{number}", "write_off", "90.00") for number in self.write_offs}
        refused = {f"INV-{number}" for number in self.rejected}
        found = self.live.posted(*self.calls)
        assert sorted(found) == sorted(entry for entry in posted if entry[0] not in refused)
        for number in self.extensions:
            assert extended(self.live, number) == ([] if number in self.rejected else [14])
        with self.live.person("carla") as carla:
            waiting = carla.get("/api/v1/approvals").json()["items"]
        assert {approval["id"] for approval in waiting} == {self.calls[each]["approval"]["id"] for each in half_way}

    def _has_ended(self, numbers: list[int]) -> bool:
        with self.live.person("chen") as chen:
            calls = chen.get("/api/v1/tool-calls", params={"limit": 200}).json()["items"]
        states = {call["id"]: call["state"] for call in calls}
        return {states[self.calls[number]["id"]] for number in numbers} == {"succeeded"}


@pytest.fixture
def work(finance: LiveConsole, released_soon: None) -> Work:
    numbers = finance.bill_new(20)
    made = Work(finance, numbers[:8], numbers[8:14], numbers[14:17], numbers[17:])
    made.ask()
    return made


def test_twenty_by_keyboard_alone(work: Work, seat: Callable[..., Seat]) -> None:
    dana = seat("dana").open()
    for place in range(20):
        number = work.number_in(dana.title.inner_text())
        if place % 5 == 4:
            work.rejected.add(number)
            dana.press("3")
            expect(dana.card.get_by_label("Reason")).to_be_focused()
            dana.page.keyboard.type("Not justified")
            dana.press("Control+Enter")
        else:
            dana.press("1", "Control+Enter")
            if not work.is_reversible(number):
                expect(dana.sheet.get_by_role("button", name="Approve €")).to_be_focused()
                dana.settled()
                dana.press("Control+Enter")
        _is_decided(dana, number)
        hands = dana.hands()
        assert hands["presses"] == 0
        assert hands["keys"] <= MOST_KEYS or number in work.rejected or not work.is_reversible(number)

    _is_cleared(dana)
    work.is_done_as_decided()


def test_twenty_by_pointer_alone(work: Work, seat: Callable[..., Seat]) -> None:
    dana = seat("dana").open()
    for place in range(20):
        number = work.number_in(dana.title.inner_text())
        if place % 5 == 4:
            work.rejected.add(number)
            dana.verb("Reject").click()
            dana.card.get_by_label("Reason").select_option(label="Not justified")
            dana.verb("Reject").click()
        else:
            dana.verb("Approve").click()
            if not work.is_reversible(number):
                dana.sheet.get_by_role("button", name="Approve €").click()
        _is_decided(dana, number)
        hands = dana.hands()
        assert hands["keys"] == 0
        assert hands["presses"] <= MOST_PRESSES or number in work.rejected or not work.is_reversible(number)

    _is_cleared(dana)
    work.is_done_as_decided()


def _is_decided(person: Seat, number: int) -> None:
    """The next card is there, or the place for one, and obeys."""
    expect(person.card.get_by_role("heading", level=2).filter(has_text=f"INV-{number}")).to_have_count(0)
    person.settled()


def _is_cleared(person: Seat) -> None:
    expect(person.page.get_by_text("Nothing is waiting for you.")).to_be_visible()
    expect(person.page.get_by_text("last decision")).to_be_visible()
    times = sorted(_next_card_times(person.page))
    print(f"\nnext card: {len(times)} votes, median {times[len(times) // 2]:.0f} ms, slowest {times[-1]:.0f} ms")
    assert times[len(times) // 2] <= SLOWEST_NEXT_CARD_MS


def _next_card_times(page: Page) -> list[float]:
    """Milliseconds from asking to the last byte of each answer to a vote, as the browser clocked them."""
    took: list[float] = page.evaluate(
        "() => performance.getEntriesByType('resource').filter(({name}) => name.includes('/vote/'))"
        ".map(({requestStart, responseEnd}) => responseEnd - requestStart)"
    )
    return took


def test_one_yes_and_one_no_by_thumb(finance: LiveConsole, seat: Callable[..., Seat], released_soon: None) -> None:
    wanted, unwanted = finance.bill_new(2)
    with finance.agent("o2c-triage") as agent:
        calls = [_asked(agent, number) for number in (wanted, unwanted)]
        dana = seat("dana", viewport=PHONE, has_touch=True, is_mobile=True).open()
        _tap(dana, dana.page.get_by_role("row").filter(has_text=f"INV-{unwanted}"))
        _tap(dana, dana.verb("Reject"))
        dana.card.get_by_label("Reason").select_option(label="Not justified")
        _tap(dana, dana.verb("Reject"))
        expect(dana.title).to_contain_text(f"INV-{wanted}")
        dana.settled()
        _tap(dana, dana.verb("Approve"))
        expect(dana.status).to_contain_text(f"Approved: Credit €700.00 to C-1001 on invoice INV-{wanted}")

        ends = [agent.get(f"/api/v1/tool-calls/{call['id']}", params={"wait": 30}).json() for call in calls]
    assert [end["state"] for end in ends] == ["succeeded", "rejected"]
    assert finance.posted(wanted, unwanted) == [(f"INV-{wanted}", "credit_memo", "700.00")]


def _tap(person: Seat, target: Locator) -> None:
    """It can be hit with a thumb, and nothing of the page lies beyond its edge."""
    expect(target).to_be_visible()
    box = target.bounding_box()
    assert box is not None
    assert box["height"] >= THUMB, f"{target} is {box['height']} px high"
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    target.tap()
    assert person.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]


def test_five_hundred_of_which_seven_changed_meanwhile(finance: LiveConsole, seat: Callable[..., Seat]) -> None:
    """Approved, thought better of, rejected: each at a stroke, and each for the rows that were there to be decided."""
    numbers = finance.bill_new(500)
    with finance.agent("o2c-triage") as agent, finance.person("felix") as felix:
        with ThreadPoolExecutor(4) as pool:
            calls = list(pool.map(lambda number: _asked(agent, number), numbers))
        dana = seat("dana").open()
        _select_all(dana, "500", "€350,000.00")
        told = _change_seven(agent, felix, dict(zip(numbers[30::70], calls[30::70], strict=True)))
    dana.page.get_by_role("button", name="Approve selected").click()
    _is_voted(dana, "493 done, 7 not")
    lines = _result(dana).get_by_role("listitem")
    expect(lines).to_have_count(len(told))
    for number, why in told.items():
        line = lines.filter(has_text=f"INV-{number}")
        expect(line).to_contain_text(why)
        expect(line.get_by_role("link")).to_have_attribute("href", re.compile("^/inbox/"))

    _result(dana).get_by_role("button", name="Undo").click()
    expect(_result(dana)).to_contain_text("493 votes were taken back.")
    _result(dana).get_by_role("link", name="Back to the list").click()
    _select_all(dana, "493", "€345,100.00")
    dana.page.get_by_role("button", name="Reject selected").click()
    dana.page.get_by_label("Reason").select_option(label="Not justified")
    dana.page.get_by_role("button", name="Reject selected").click()
    _is_voted(dana, "493 done")

    with finance.agent("o2c-triage") as agent:
        last = agent.get(f"/api/v1/tool-calls/{calls[-1]['id']}", params={"wait": 60}).json()
    assert last["state"] == "rejected"
    # what Felix approved, and what he lowered and so approved; of the rest nothing
    assert sorted(amount for _, _, amount in finance.posted(*numbers)) == ["600.00", "700.00", "700.00"]


def _select_all(person: Seat, count: str, amount: str) -> None:
    person.page.get_by_role("button", name=f"Select all {count} matching").click()
    expect(person.picked).to_contain_text(f"All {count} matching selected")
    expect(person.picked).to_contain_text(amount)


def _result(person: Seat) -> Locator:
    return person.page.get_by_role("region", name="Result")


def _is_voted(person: Seat, heading: str) -> None:
    expect(_result(person).get_by_role("heading", level=2)).to_have_text(heading)
    print(f"\n{heading}: {person.page.evaluate(ANSWER_TIME):.0f} ms")


def _asked(agent: httpx.Client, number: int) -> dict[str, Any]:
    call: dict[str, Any] = agent.post("/api/v1/tool-calls", json=credit(number, "700.00")).json()
    return call


def _change_seven(agent: httpx.Client, felix: httpx.Client, calls: dict[int, dict[str, Any]]) -> dict[int, str]:
    """Felix decides five and lowers one, the agent takes one back. What is said of each to who comes later."""
    told = {}
    for (number, call), verdict in zip(calls.items(), (*VERDICTS, "edit", "cancel"), strict=True):
        approval = f"/api/v1/approvals/{call['approval']['id']}"
        seen = {"digest": felix.get(approval).json()["digest"]}
        if verdict == "edit":
            done = felix.post(f"{approval}/edits", json={**seen, "arguments": credit(number, "600.00")["arguments"]})
        elif verdict == "cancel":
            done = agent.post(f"/api/v1/tool-calls/{call['id']}/cancel")
        else:
            why = {} if verdict == "approve" else {"reason_code": "not_justified", "comment": "See the contract"}
            done = felix.post(f"{approval}/votes", json={**seen, "verdict": verdict, **why})
        done.raise_for_status()
        told[number] = TOLD[verdict]
    return told
