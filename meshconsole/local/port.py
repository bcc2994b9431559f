"""TCP ports on this machine: whether one is free, which to take, and whether the web answers on ours."""

from __future__ import annotations

import errno
import http.client
import random
import socket
from collections.abc import Iterable

from meshconsole.local.terminal import Trouble

LAST_PORT = 65535
# Below the ranges from which Linux and macOS take the ports of outgoing connections.
CHOICES = range(20000, 30000)
ANSWER_SECONDS = 5.0


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """True when a server could listen there now. Raises OSError for a host that is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # as servers do: connections of a stopped one that still linger do not hold the port
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def refuse_taken(port: int, host: str) -> None:
    """Raises Trouble, with a way out, when the web could not listen there."""
    if not 0 < port <= LAST_PORT:
        raise Trouble(f"--port {port}: a port is a number from 1 to {LAST_PORT}.")
    try:
        free = is_free(port, host) and not _localhost_leads_elsewhere(port, host)
    except OSError as error:
        raise Trouble(f"The web cannot listen on {host} port {port}: {error.strerror or error}.") from None
    if not free:
        raise Trouble(
            f"Port {port} is taken by another program. Stop that, or name another port: ./console up --port {port + 1}"
        )


def _localhost_leads_elsewhere(port: int, host: str) -> bool:
    """Browsers try ::1 first for `localhost`: whoever listens there would be shown in our place."""
    try:
        return host == "127.0.0.1" and not is_free(port, "::1")
    except OSError:
        return False


def choose_free(taken: Iterable[int] = ()) -> int:
    """A free loopback port that is not among those given."""
    avoid = set(taken)
    for port in random.sample(CHOICES, len(CHOICES)):
        if port not in avoid and is_free(port):
            return port
    raise Trouble(f"No port from {CHOICES.start} to {CHOICES.stop - 1} is free on this machine.")


def answers(port: int, host: str, path: str) -> bool:
    """True when a web server answers the path without an error of its own. Asks directly, past any proxy."""
    link = http.client.HTTPConnection(
        {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port, timeout=ANSWER_SECONDS
    )
    try:
        link.request("GET", path, headers={"Host": f"localhost:{port}"})
        return link.getresponse().status < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()
