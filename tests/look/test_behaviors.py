"""The behaviours, each on the least page that shows it, in a real browser. No server: htmx is played by its events."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

BEHAVIORS = Path(__file__).resolve().parents[2] / "static" / "js" / "behaviors"
LIST = """
<div id="status"></div>
<div class="split"><table class="list" aria-label="Approvals"><tbody>
  <tr><td>1</td><td><a class="list__what" id="r1" href="#one">One</a></td></tr>
  <tr><td>2</td><td><a class="list__what" id="r2" href="#two">Two</a></td></tr>
  <tr><td>3</td><td><a class="list__what" id="r3" href="#three">Three</a></td></tr>
</tbody></table></div>
<button data-row-step="1" data-key="j" aria-label="Next row">v</button>
<button data-row-step="-1" data-key="k" aria-label="Previous row">^</button>
<input id="filter" data-key="/" aria-label="Filter">
<a href="#inbox" data-key="g i" data-key-label="Go to Inbox">Inbox</a>
<button data-open="keys" data-key="?">Keys</button>
<dialog id="keys"><dl data-keys-list></dl><input type="checkbox" data-keys-switch checked aria-label="Single keys">
<button data-close>Close</button></dialog>
<dialog id="sheet" data-empties></dialog>
"""

Show = Callable[..., None]


@pytest.fixture
def show(page: Page) -> Show:
    """Put markup on a page and load behaviours into it; storage needs an origin, so the page is answered, not set."""

    def shown(body: str, *behaviors: str) -> None:
        scripts = "".join(f'<script src="/{name}.js" defer></script>' for name in behaviors)
        document = f'<!doctype html><html lang="en"><title>t</title>{scripts}<body>{body}</body></html>'

        def answer(route, request) -> None:  # type: ignore[no-untyped-def]
            name = request.url.rsplit("/", 1)[1]
            if name.endswith(".js"):
                route.fulfill(path=BEHAVIORS / name, content_type="text/javascript")
            else:
                route.fulfill(body=document, content_type="text/html")

        page.route("http://look.test/**", answer)
        page.goto("http://look.test/")

    return shown


def test_j_and_k_move_through_the_rows(page: Page, show: Show) -> None:
    show(LIST, "rows", "keyboard")
    for key, row in (("j", "r1"), ("j", "r2"), ("j", "r3"), ("j", "r3"), ("k", "r2")):
        page.keyboard.press(key)
        expect(page.locator(f"#{row}")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url("http://look.test/#two")


def test_a_press_on_the_row_follows_its_link(page: Page, show: Show) -> None:
    show(LIST, "rows")
    page.get_by_role("cell", name="3").first.click()
    expect(page).to_have_url("http://look.test/#three")


def test_keys_are_off_while_typing_and_slash_finds_the_filter(page: Page, show: Show) -> None:
    show(LIST, "rows", "keyboard")
    page.keyboard.press("/")
    expect(page.locator("#filter")).to_be_focused()
    page.keyboard.type("jk?")
    expect(page.locator("#filter")).to_have_value("jk?")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("#r1")).to_be_focused()


def test_two_keys_in_turn_go_somewhere(page: Page, show: Show) -> None:
    show(LIST, "keyboard")
    page.keyboard.press("g")
    page.keyboard.press("i")
    expect(page).to_have_url("http://look.test/#inbox")


def test_question_mark_lists_the_keys_and_can_turn_them_off(page: Page, show: Show) -> None:
    show(LIST, "overlay", "rows", "keyboard")
    page.keyboard.press("?")
    keys = page.locator("#keys")
    expect(keys).to_be_visible()
    expect(keys.locator("dd")).to_have_text(["Next row", "Previous row", "Filter", "Go to Inbox", "Keys"])
    page.get_by_label("Single keys").uncheck()
    page.get_by_role("button", name="Close").click()
    expect(keys).to_be_hidden()
    page.keyboard.press("j")
    expect(page.locator("#r1")).not_to_be_focused()
    page.reload()
    page.keyboard.press("?")
    expect(keys).to_be_hidden()


def test_a_held_key_acts_once(page: Page, show: Show) -> None:
    show(LIST, "rows", "keyboard")
    page.keyboard.down("j")
    page.keyboard.down("j")  # the browser's repeat
    page.keyboard.down("j")
    page.keyboard.up("j")
    expect(page.locator("#r1")).to_be_focused()


def test_what_htmx_puts_into_the_sheet_opens_it_and_focus_comes_back(page: Page, show: Show) -> None:
    show(LIST, "overlay")
    page.locator("#r2").focus()
    page.evaluate("""() => {
        const sheet = document.getElementById("sheet");
        sheet.innerHTML = "<button data-close>Close it</button>";
        sheet.dispatchEvent(new CustomEvent("htmx:afterSwap", { bubbles: true, detail: { target: sheet } }));
    }""")
    expect(page.locator("#sheet")).to_be_visible()
    page.get_by_role("button", name="Close it").click()
    expect(page.locator("#sheet")).to_be_hidden()
    expect(page.locator("#sheet")).to_be_empty()
    expect(page.locator("#r2")).to_be_focused()


def test_focus_stays_in_the_list_when_its_row_is_swapped_away(page: Page, show: Show) -> None:
    show(LIST, "focus")
    page.locator("#r2").focus()
    page.evaluate("""() => {
        const part = document.querySelector(".split");
        const say = (name) => part.dispatchEvent(new CustomEvent(name, { bubbles: true, detail: { target: part } }));
        say("htmx:beforeSwap");
        part.querySelector("#r2").closest("tr").remove();
        say("htmx:afterSettle");
    }""")
    expect(page.locator("#r3")).to_be_focused()


def test_the_theme_is_kept(page: Page, show: Show) -> None:
    show('<button data-theme-choice="dark">Dark</button><button data-theme-choice="system">System</button>', "theme")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="System").click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")


def test_a_poll_that_fails_says_how_old_the_page_is(page: Page, show: Show) -> None:
    show('<div data-poll id="list"><p class="stale">As of <span data-stale-since></span></p></div>', "poll")
    page.evaluate("""() => {
        const part = document.getElementById("list");
        part.dispatchEvent(new CustomEvent("htmx:sendError", { bubbles: true, detail: { elt: part } }));
    }""")
    expect(page.locator("#list")).to_have_attribute("data-stale", "")
    expect(page.locator("[data-stale-since]")).not_to_be_empty()


def test_polling_is_quick_while_somebody_is_there_and_rests_when_not(page: Page, show: Show) -> None:
    page.clock.install()
    show('<div data-poll id="list"></div>', "poll")
    page.evaluate("() => { window.polls = 0; window.htmx = { trigger: () => { window.polls += 1; } }; }")
    page.clock.run_for(30_000)
    assert page.evaluate("window.polls") == 10
    page.clock.run_for(30_000)
    page.evaluate("window.polls = 0")
    page.clock.run_for(125_000)
    assert page.evaluate("window.polls") == 2
