"""A browser that looks at a page as axe, a phone, a dark room and the console of its developer do."""

from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import ConsoleMessage, Page

from tests.access.scene import Scene

DESK, PHONE = 1440, 360
HEIGHT = 900
# Preloading would fetch every @import again, against the policy of the page; target-size is of WCAG 2.2, and else off.
OPTIONS: dict[str, Any] = {
    "preload": False,
    "resultTypes": ["violations"],
    "rules": {"target-size": {"enabled": True}},
}
# The two colour schemes are one document: what is not about colour is the same in both.
COLOURS_ALONE: dict[str, Any] = {**OPTIONS, "runOnly": {"type": "rule", "values": ["color-contrast"]}, "rules": {}}
AXE = Axe().axe_script
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Looker:
    """Collects what is wrong with the pages it is shown, so that one run tells everything."""

    page: Page
    url: str
    found: list[str] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)
    _expected_status: int = 200

    def __post_init__(self) -> None:
        self.page.emulate_media(reduced_motion="reduce")
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.found.append(f"{self.page.url}: {error}"))

    def _hear(self, message: ConsoleMessage) -> None:
        """Errors and violations of the content policy. That a refusal was refused the browser tells there too."""
        is_expected = f"status of {self._expected_status} " in message.text
        if message.type in ("error", "warning") and not is_expected:
            self.found.append(f"{self.page.url}: console {message.type}: {message.text}")

    def sign_in(self, username: str) -> None:
        session = Scene().client_of(username).cookies[settings.SESSION_COOKIE_NAME].value
        self.page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": self.url}])

    def at(self, path: str, *, status: int = 200, name: str = "") -> None:
        """Go there and look. `name` tells states of one path apart."""
        self.go(path, status=status)
        self.look(name or path)

    def go(self, path: str, *, status: int = 200) -> None:
        self.page.set_viewport_size({"width": DESK, "height": HEIGHT})
        self._expected_status = status
        response = self.page.goto(self.url + path)
        if response is None or response.status != status:
            self.found.append(f"{path}: {response and response.status} instead of {status}")

    def expect_refusal(self, status: int) -> None:
        """The next act on the page is refused with this status, and the browser will say so."""
        self._expected_status = status

    def look(self, name: str, *, widths: tuple[int, ...] = (DESK, PHONE)) -> None:
        """At the page as it stands: wide and narrow, light and dark."""
        self.looked.append(name)
        self.page.wait_for_load_state()  # a click that leads to another page does not wait for its style sheet
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE)
        for width in widths:
            self.page.set_viewport_size({"width": width, "height": HEIGHT})
            for scheme, options in (("light", OPTIONS), ("dark", COLOURS_ALONE)):
                self.page.emulate_media(color_scheme=scheme)
                self._run_axe(f"{name} ({width} px, {scheme})", options)
        if excess := self.page.evaluate(TOO_WIDE):
            self.found.append(f"{name} ({PHONE} px): the page scrolls sideways by {excess} px")

    def _run_axe(self, where: str, options: dict[str, Any]) -> None:
        results = self.page.evaluate("options => axe.run(document, options)", options)
        for violation in results["violations"]:
            for node in violation["nodes"]:
                summary = " ".join(node["failureSummary"].split())
                self.found.append(f"{where}: {violation['id']}: {node['target']}: {summary}")
