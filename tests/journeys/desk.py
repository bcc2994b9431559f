"""A person at the inbox in a real browser, over pytest's own server: no worker, and news is settled by the test."""

import re
from typing import Any

from django.conf import settings
from playwright.sync_api import Locator, Page, expect

from tests.access.scene import Scene

# What a page may not say in its console: everything but that a refusal was a refusal.
REFUSAL = re.compile(r"status of (409|422|403) ")


class Desk:
    """The inbox as one person has it open. `trouble` is what the browser complained of."""

    def __init__(self, page: Page, url: str, username: str) -> None:
        self.page, self.url = page, url
        self.trouble: list[str] = []
        session = Scene().client_of(username).cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": url}])
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        if message.type == "error" and not REFUSAL.search(message.text):
            self.trouble.append(message.text)

    def open(self, path: str = "/inbox/") -> "Desk":
        self.page.goto(self.url + path)
        return self

    @property
    def card(self) -> Locator:
        return self.page.get_by_role("region", name="Approval")

    @property
    def title(self) -> Locator:
        return self.card.get_by_role("heading", level=2)

    @property
    def rows(self) -> Locator:
        return self.page.get_by_role("table", name="Approvals").get_by_role("link")

    @property
    def status(self) -> Locator:
        """What is said to who cannot see."""
        return self.page.locator("#status")

    @property
    def picked(self) -> Locator:
        return self.page.locator(".tally__sum")

    def verb(self, name: str) -> Locator:
        return self.card.get_by_role("button", name=name, exact=True)

    def box(self, number: int) -> Locator:
        """The box before the row that stands there, counted from 0."""
        return self.page.get_by_role("checkbox", name=re.compile("^Select: ")).nth(number)

    def moves_on_from(self, sentence: str) -> None:
        """The next card is there, or the queue is empty."""
        expect(self.card.get_by_text(sentence, exact=True)).to_have_count(0)
