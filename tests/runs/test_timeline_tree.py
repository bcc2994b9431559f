"""Which steps of a timeline stand under which, and which are alike: the script on rows alone, without a server."""

from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

TREE = """(rows) => {
    const row = (part) => ({ parent: 0, call: "", kind: "agent", origin: "reported", status: "ok", start: 0, length: 1,
                             text: part.id, note: "", actor: "", minor: null, currency: "", policy: "", url: "",
                             tokens: null, ...part });
    const nothing = { find: "", status: "", kind: "", origin: "", actor: "", least: 0, hide: false, errors: false,
                      from: null, to: null };
    const tree = timelineTree(rows.map(row), { done: "done", running: "under way", failed: "failed" });
    return tree.lines({ ...nothing, }, new Map()).lines.map((line) => [line.node.text, line.level]);
}"""


@pytest.fixture
def tree(page: Page) -> Any:
    page.set_content("<title>t</title>")
    page.add_script_tag(path=str(settings.BASE_DIR / "static" / "js" / "timeline" / "tree.js"))
    return lambda rows: page.evaluate(TREE, rows)


def test_a_step_stands_under_what_it_is_part_of_whichever_came_first(tree: Any) -> None:
    rows = [
        {"id": "leaf", "parent": "branch"},
        {"id": "branch", "parent": "root"},
        {"id": "root"},
        {"id": "lost", "parent": "x"},
    ]

    assert tree(rows) == [["root", 1], ["branch", 2], ["leaf", 3], ["lost", 1]]


def test_steps_that_name_each_other_as_parents_are_all_shown(tree: Any) -> None:
    rows = [{"id": "a", "parent": "b"}, {"id": "b", "parent": "a"}, {"id": "self", "parent": "self"}]

    assert sorted(name for name, _ in tree(rows)) == ["a", "b", "self"]


def test_more_than_twenty_alike_are_one_line_that_says_how_they_ended(tree: Any) -> None:
    rows: list[dict[str, Any]] = [
        {"id": f"r{n}", "text": "research", "status": "error" if n < 3 else "ok"} for n in range(140)
    ]
    rows[5] |= {"length": None}

    assert tree(rows) == [["research × 140: 136 done, 1 under way, 3 failed", 1]]


IDLE = """([rows, halts, whole]) => {
    const { cuts, drawn, real } = timelineIdle(rows, halts, whole);
    const moments = [0, 50, 50000, 90000, 95000, whole].map((at) => [drawn(at), real(drawn(at))]);
    return { cuts: cuts.map((cut) => [cut.from, cut.to]), moments };
}"""


def test_idle_stretches_are_cut_and_every_moment_is_found_again(page: Page) -> None:
    """A person is waited for nearly all of the time: nothing begins or ends in it."""
    page.set_content("<title>t</title>")
    page.add_script_tag(path=str(settings.BASE_DIR / "static" / "js" / "timeline" / "idle.js"))
    rows = [{"start": 0, "length": 100}, {"start": 100, "length": 89_900}, {"start": 90_000, "length": 4000}]
    found = page.evaluate(IDLE, [rows, [], 100_000])

    assert found["cuts"] == [[100, 90_000]]
    assert [round(real) for _, real in found["moments"]] == [0, 50, 50_000, 90_000, 95_000, 100_000]
    places = [drawn for drawn, _ in found["moments"]]
    assert places == sorted(places)
    assert places[-1] < 11_000
    assert page.evaluate(IDLE, [rows[:1], [[0, None]], 9000])["cuts"] == []
