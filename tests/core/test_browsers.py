"""What only browsers need is there for them, and for programs that come with a cookie."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from apps.core import browsers


def session_seen(request: HttpRequest) -> HttpResponse:
    return HttpResponse("yes" if hasattr(request, "session") else "no")


@pytest.mark.parametrize(
    ("path", "cookie", "expected"),
    [
        ("/api/v1/tool-calls", {}, b"no"),
        ("/v1/traces", {}, b"no"),
        ("/api/v1/tool-calls", {"HTTP_COOKIE": "meshconsole_session=abc"}, b"yes"),
        ("/inbox/", {}, b"yes"),
        ("/apis", {}, b"yes"),
    ],
)
def test_a_program_without_a_cookie_has_no_session(path: str, cookie: dict[str, str], expected: bytes) -> None:
    request = RequestFactory().get(path, **cookie)  # type: ignore[arg-type]
    assert browsers.sessions(session_seen)(request).content == expected
