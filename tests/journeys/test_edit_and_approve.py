"""draft"""
import pytest, time
from tests.journeys.test_approve_and_halt import credit
from tests.journeys.conftest import Seat
pytestmark = [pytest.mark.browser, pytest.mark.mesh]

def test_look(finance, seat):
    n = int(time.time()) % 100000 + 100000
    finance.bill(n, n+1)
    with finance.agent("o2c-triage") as agent:
        call = agent.post("/api/v1/tool-calls", json=credit(n, "1280.00")).json()
        agent.post("/api/v1/tool-calls", json=credit(n+1, "700.00")).json()
        dana = seat("dana").open()
        p = dana.page
        p.on("response", lambda r: print(r.status, r.request.method, r.url))
        dana.verb("Approve with edits").click()
        p.get_by_label("Amount").fill("900.00")
        p.get_by_role("button", name="Approve with edits").click()
        p.wait_for_timeout(1500)
        print(dana.has_focus(), p.url)
        p.screenshot(path="/tmp/journeys/3.png")
        print(p.locator("#toasts").inner_html()[:500])
        print(agent.get(f"/api/v1/tool-calls/{call['id']}", params={"wait": 20}).json())
        p.goto(f"{finance.url}/runs/{call['run_id']}/")
        p.wait_for_timeout(3000)
        p.reload()
        p.screenshot(path="/tmp/journeys/4.png")
        for a in p.get_by_role("table", name="Timeline").locator("tbody tr").all(): print(a.inner_text(), a.locator("a").count())
        print([ (a.inner_text(), a.get_attribute("href")) for a in p.locator("main a").all()])
        # raise
        dana.open()
        p.keyboard.press("2")
        p.get_by_label("Amount").fill("1500.00")
        p.get_by_label("Amount").press("Enter")
        p.wait_for_timeout(1500)
        print(dana.has_focus(), p.url)
        p.screenshot(path="/tmp/journeys/5.png")
