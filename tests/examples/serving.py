"""A server in a thread of the test process, stopped without waiting for a poll interval."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[int]:
    """Its port, while it serves."""
    is_over = threading.Event()

    def serve() -> None:
        while not is_over.is_set():
            server.handle_request()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.server_port
    is_over.set()
    socket.create_connection(("127.0.0.1", server.server_port)).close()  # wakes it up to see that it is over
    thread.join()
    server.server_close()
