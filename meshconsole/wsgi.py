"""The WSGI entry of the web process."""

import gc
import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from meshconsole import otel

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "meshconsole.settings")

WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def in_one_piece(application: WSGIApplication) -> WSGIApplication:
    """Answers that are there as a whole go to the server as a list. Any other iterable it asks piece by piece, and
    waits for the interpreter's lock before each.
    """

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response: Any = application(environ, start_response)
        if getattr(response, "streaming", True):
            return response  # type: ignore[no-any-return]  # Django's answers are iterables of bytes
        try:
            return list(response)
        finally:
            response.close()

    return answer


application = in_one_piece(get_wsgi_application())
otel.start("web")

# What is loaded by now stays as long as the process does, and the collector need not walk it again and again.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
