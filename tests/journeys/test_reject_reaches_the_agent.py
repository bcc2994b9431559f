"""A person says no, or not like this: the agent hears it in a form it can act on, within seconds, and acts."""

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Seat
from tests.journeys.test_approve_and_halt import credit
from tests.live import LiveConsole, until

pytestmark = [pytest.mark.browser, pytest.mark.mesh, pytest.mark.usefixtures("released_soon")]

ADVICE = "Agreed were 64.00 a unit, so credit 960.00"
WITHIN_SECONDS = 5.0
ON_ITS_WAY = ("awaiting_approval", "queued", "executing")


class Triage(threading.Thread):
    """An agent's program: asks for one credit too many, waits for what becomes of it, and takes advice."""

    def __init__(self, live: LiveConsole, number: int) -> None:
        super().__init__(daemon=True)
        self.live, self.number = live, number
        self.calls: list[str] = []
        self.heard: list[dict[str, Any]] = []
        self.end: dict[str, Any] = {}

    def run(self) -> None:
        with self.live.agent("o2c-triage") as agent:
            call = self._ask(agent, credit(self.number, "1280.00"))
            while not self.end:
                call = agent.get(f"/api/v1/tool-calls/{call['id']}", params={"wait": 20}).json()
                feedback = call["approval"].get("feedback")
                if feedback:
                    self.heard.append({**feedback, "at": time.monotonic()})
                    call = self._react(agent, call, feedback)
                elif call["state"] not in ON_ITS_WAY:
                    self.end = call

    def _react(self, agent: httpx.Client, call: dict[str, Any], feedback: dict[str, str]) -> dict[str, Any]:
        if feedback["reason_code"] != "wrong_amount":
            raise ValueError(f"nothing I can act on: {feedback}")
        right = credit(self.number, re.findall(r"\d+\.\d\d", feedback["comment"])[-1])
        if feedback["verdict"] == "reject":
            return self._ask(agent, {**right, "idempotency_key": f"INV-{self.number}/credit-again"})
        answer = {"arguments": right["arguments"], "rationale": "As the price list says."}
        return self._ok(agent.post(f"/api/v1/tool-calls/{call['id']}/versions", json=answer))

    def _ask(self, agent: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
        call = self._ok(agent.post("/api/v1/tool-calls", json=body))
        self.calls.append(call["id"])
        return call

    def _ok(self, answer: httpx.Response) -> dict[str, Any]:
        answer.raise_for_status()
        return dict(answer.json())


@pytest.fixture
def triage(finance: LiveConsole) -> Triage:
    """The agent at work, its first request waiting."""
    [number] = finance.bill_new()
    program = Triage(finance, number)
    program.start()
    until(lambda: program.calls, "it has asked")
    return program


def test_a_rejected_agent_asks_again_with_the_right_amount(
    finance: LiveConsole, seat: Callable[..., Seat], triage: Triage
) -> None:
    dana = seat("dana").open()
    dana.verb("Reject").click()
    dana.card.get_by_label("Reason").select_option(label="Wrong amount")
    dana.card.get_by_label("Words to the agent").fill(ADVICE)
    dana.verb("Reject").click()
    expect(dana.status).to_contain_text("Rejected: Credit €1,280.00")
    said_at = time.monotonic()

    _hears(triage, "reject", said_at)
    new = f"Credit €960.00 to C-1001 on invoice INV-{triage.number}"
    pill = dana.page.get_by_role("button", name="1 new")
    expect(dana.rows.filter(has_text=new).or_(pill)).to_be_visible()
    if pill.count():
        pill.click()
    dana.rows.filter(has_text=new).click()
    expect(dana.title).to_have_text(new)
    dana.verb("Approve").click()

    _ends_with(finance, triage, call_count=2)


def test_an_agent_asked_for_changes_answers_with_a_version(
    finance: LiveConsole, seat: Callable[..., Seat], triage: Triage
) -> None:
    """By keyboard alone."""
    dana = seat("dana").open()
    dana.press("4")
    expect(dana.card.get_by_label("Reason")).to_be_focused()
    dana.page.keyboard.type("Wrong amount")
    dana.press("Tab")
    dana.page.keyboard.type(ADVICE)
    dana.press("Control+Enter")
    expect(dana.status).to_contain_text("Sent back to the agent: Credit €1,280.00")
    said_at = time.monotonic()

    _hears(triage, "request_changes", said_at)
    expect(dana.page.get_by_role("button", name="1 new")).to_be_visible()
    dana.press(".")
    expect(dana.rows).to_have_text(re.compile("Credit €960.00"))
    dana.press("j")
    expect(dana.rows).to_be_focused()
    dana.press("Enter")
    expect(dana.card).to_contain_text("Version 2, changed by Exception triage")
    expect(dana.card.locator("del")).to_have_text("1280.00")
    expect(dana.card.locator("ins")).to_have_text("960.00")
    dana.press("1")
    expect(dana.verb("Approve")).to_be_focused()
    dana.press("Control+Enter")
    expect(dana.status).to_contain_text("Approved: Credit €960.00")

    _ends_with(finance, triage, call_count=1)


def _hears(triage: Triage, verdict: str, said_at: float) -> None:
    until(lambda: triage.heard, "the agent hears it")
    heard = triage.heard[0]
    assert heard["at"] - said_at < WITHIN_SECONDS
    del heard["at"]
    assert heard == {"verdict": verdict, "reason_code": "wrong_amount", "comment": ADVICE, "by": "Dana Ruiz"}


def _ends_with(live: LiveConsole, triage: Triage, *, call_count: int) -> None:
    """One credit of the right amount, by so many calls."""
    until(lambda: triage.end, "the agent is done", seconds=30)
    assert triage.end["state"] == "succeeded", triage.end
    assert len(triage.calls) == call_count
    assert live.posted(triage.number) == [(f"INV-{triage.number}", "credit_memo", "960.00")]
