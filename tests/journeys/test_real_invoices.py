"""Real input: every dispute of a real file of invoices, worked by the agents through the console, judged by the ledger.

REAL_INVOICES=all works the whole file (2,466 invoices, 561 disputes), once with a healthy ERP and once with one that
fails; without it the first rows are worked, with the failing one.
"""

import csv
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.live import ROOT, LiveConsole, until

pytestmark = pytest.mark.mesh

INVOICES = ROOT.parent / "shared" / "data" / "invoices" / "ibm_accounts_receivable.csv"
WHOLE_FILE = os.environ.get("REAL_INVOICES") == "all"
FIRST_ROWS = 300
HEALTHY: dict[str, object] = {"rules": {}}
FAULTS: dict[str, object] = {
    "seed": 7,
    "rules": {
        "POST /credit-memos": {
            "error_500_before": 0.08,
            "error_500_after": 0.08,
            "timeout_after": 0.02,
            "hold_seconds": 6,
            "lost_answer": 0.08,
        }
    },
}
PATIENCE_SECONDS = 900


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[LiveConsole]:
    console = LiveConsole(tmp_path)
    try:
        console.start_all(with_mesh=True)
        yield console
    finally:
        console.stop()


@pytest.mark.skipif(not INVOICES.exists(), reason="the file of real invoices is not beside the checkout")
@pytest.mark.parametrize(
    "faults",
    [pytest.param(HEALTHY, id="a healthy ERP")] * WHOLE_FILE + [pytest.param(FAULTS, id="an ERP that fails")],
)
def test_one_credit_memo_for_each_dispute_that_calls_for_one(mesh: LiveConsole, faults: dict[str, object]) -> None:
    file, disputes = _invoices(mesh.home)
    with mesh.erp() as erp:
        erp.put("/faults", json=faults).raise_for_status()
    started = time.monotonic()
    systems = ("--erp", mesh.erp_url, "--token-file", "erp.token")
    crm = ("--crm", f"http://127.0.0.1:{mesh.ports['crm']}", "--crm-token-file", "crm.token")
    loaded = mesh.example("load_invoices", str(file), *systems, *crm)
    assert loaded.returncode == 0, loaded.stderr
    with mesh.person("dana") as dana:
        done = threading.Event()
        voter = threading.Thread(target=_vote_until, args=(mesh, dana, done))
        voter.start()
        try:
            until(lambda: _is_quiet(dana, disputes), "every dispute is worked", seconds=PATIENCE_SECONDS)
        finally:
            done.set()
            voter.join()
        judged = mesh.example("judge", *systems, "--csv", str(file))
        assert judged.returncode == 0, judged.stdout + judged.stderr
        print(f"\n{disputes} disputes in {time.monotonic() - started:.0f} s: {json.loads(judged.stdout)['ledger']}")
        assert _booked_by_the_console(mesh) == {
            currency: (figures["count"], figures["minor"])
            for currency, figures in _ledger_summary(mesh)["credit_memo"].items()
        }


def _invoices(home: Path) -> tuple[Path, int]:
    """The file to work and how many of its invoices are disputed."""
    rows = INVOICES.read_text(encoding="utf-8").splitlines(keepends=True)
    if not WHOLE_FILE:
        rows = rows[: FIRST_ROWS + 1]
    file = home / "invoices.csv"
    file.write_text("".join(rows), encoding="utf-8")
    with file.open(encoding="utf-8", newline="") as lines:
        return file, sum(row["Disputed"] == "Yes" for row in csv.DictReader(lines))


def _vote_until(mesh: LiveConsole, dana: httpx.Client, done: threading.Event) -> None:
    """Dana's script: approve what waits for her, through the public API."""
    token = dana.headers["Authorization"].removeprefix("Bearer ")
    while not done.is_set():
        mesh.example("voter", "--console", mesh.url, "--token", token, "--until-idle", "2")


def _is_quiet(dana: httpx.Client, count: int) -> bool:
    """Every dispute has a run, and every one of these runs has ended."""
    runs: list[dict[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = dana.get("/api/v1/runs", params={"limit": 200, "cursor": cursor}).json()
        runs += page["items"]
        cursor = page["next"]
    disputes = [run for run in runs if run["title"].startswith("Dispute")]
    time.sleep(2)
    return len(disputes) >= count and all(run["state"] != "open" for run in disputes)


def _ledger_summary(mesh: LiveConsole) -> dict[str, dict[str, dict[str, int]]]:
    with mesh.erp() as erp:
        summary: dict[str, dict[str, dict[str, int]]] = erp.get("/ledger/summary").json()
        return summary


def _booked_by_the_console(mesh: LiveConsole) -> dict[str, tuple[int, int]]:
    """Count and sum per currency of the credit memos that the console believes it has posted."""
    totals: dict[str, tuple[int, int]] = {}
    with mesh.person("chen") as chen:
        cursor: str | None = ""
        while cursor is not None:
            page = chen.get("/api/v1/tool-calls", params={"limit": 200, "cursor": cursor}).json()
            for call in page["items"]:
                if call["tool"] == "erp.issue_credit_memo" and call["state"] == "succeeded":
                    count, minor = totals.get(call["money"]["currency"], (0, 0))
                    totals[call["money"]["currency"]] = (count + 1, minor + call["money"]["minor"])
            cursor = page["next"]
    return totals
