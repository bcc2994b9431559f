"""Clients that ask for one call after the other, all in one thread of a process of their own: they cost the machine
little, and what they measure is the console.

As a program (`python -m benchmarks.rig.load`) it reads an order as JSON from standard input and prints the findings.
"""

from __future__ import annotations

import json
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field

from benchmarks.rig.calls import connect, read_answer, request_bytes
from meshconsole.local import processes
from meshconsole.local.launch import CHECKOUT
from meshconsole.local.terminal import Trouble

# Connections, caches and lazily built code paths are warm after this; what is answered before it does not count.
WARM_UP_SECONDS = 1.5
ANSWER_SECONDS = 30.0
SAMPLES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Order:
    """So many clients for so long. `name` makes the idempotency keys of this round its own.

    With `per_second` calls are asked for at that pace, all clients together, and a latency counts from when its call
    was due; without, each client asks again as soon as it is answered.
    """

    port: int
    token: str
    name: str
    client_count: int
    seconds: float
    per_second: float = 0.0

    @property
    def interval(self) -> float:
        """Seconds from one call of a client to its next."""
        return self.client_count / self.per_second if self.per_second else 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """`latencies_ms` are of the calls answered after the warm-up, and `due_at` says of each, by its key, when it was
    due; `done_count` is of all calls.
    """

    seconds: float
    latencies_ms: list[float]
    due_at: dict[str, float]
    done_count: int
    error_count: int
    error_samples: list[str]

    @property
    def per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile_ms(self, percent: int) -> float:
        """The latency that so many of a hundred calls stay below."""
        return percentile(self.latencies_ms, percent)

    def __add__(self, other: Measured) -> Measured:
        return Measured(
            seconds=self.seconds + other.seconds,
            latencies_ms=self.latencies_ms + other.latencies_ms,
            due_at=self.due_at | other.due_at,
            done_count=self.done_count + other.done_count,
            error_count=self.error_count + other.error_count,
            error_samples=(self.error_samples + other.error_samples)[:SAMPLES_SHOWN],
        )


def percentile(values: list[float], percent: int) -> float:
    """What so many of a hundred of the values stay below."""
    ordered = sorted(values) or [0.0]
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def measure(order: Order) -> Measured:
    """Carries out the order in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.rig.load"],
        cwd=CHECKOUT,
        input=json.dumps(asdict(order)),
        capture_output=True,
        text=True,
        # it gives up by itself before that
        timeout=order.seconds + WARM_UP_SECONDS + 2 * ANSWER_SECONDS,
        preexec_fn=processes.die_with_parent(signal.SIGKILL),
    )
    if done.returncode:
        raise Trouble(f"The clients of the benchmark failed:\n{done.stderr[-2000:]}")
    return Measured(**json.loads(done.stdout))


# --- the program


@dataclass
class _Client:
    """`due_at` is when its next call is due, or when the one that is not answered was."""

    name: str
    link: socket.socket
    due_at: float
    count: int = 0
    key: str = ""
    is_waiting: bool = False
    received: bytes = b""


@dataclass
class _Tally:
    latencies: list[float] = field(default_factory=list)
    due_at: dict[str, float] = field(default_factory=dict)
    done_count: int = 0
    errors: list[str] = field(default_factory=list)


def _carry_out(order: Order) -> Measured:
    tally, selector = _Tally(), selectors.DefaultSelector()
    began = time.perf_counter()
    count_from = began + WARM_UP_SECONDS
    until = count_from + order.seconds
    step = order.interval / order.client_count
    clients = [
        _Client(f"{order.name}-{number}", connect(order.port), due_at=began + number * step)
        for number in range(order.client_count)
    ]
    for client in clients:
        selector.register(client.link, selectors.EVENT_READ, client)
    # every call that was begun is waited for: the ledger knows it too
    while selector.get_map() and time.perf_counter() < until + ANSWER_SECONDS:
        _send_due(selector, order, until)
        for key, _ in selector.select(timeout=_seconds_to_next(selector)):
            if not _hear(key.data, tally, order, count_from, until):
                selector.unregister(key.fileobj)
    tally.errors += ["no answer"] * len(selector.get_map())
    return _measured(tally, order.seconds)


def _clients(selector: selectors.BaseSelector) -> list[_Client]:
    return [key.data for key in selector.get_map().values()]


def _send_due(selector: selectors.BaseSelector, order: Order, until: float) -> None:
    """Every call that is due; after the end a client that waits for nothing is through."""
    now = time.perf_counter()
    for client in _clients(selector):
        if client.is_waiting:
            continue
        if now >= until:
            selector.unregister(client.link)
        elif client.due_at <= now:
            _send(client, order)


def _seconds_to_next(selector: selectors.BaseSelector) -> float:
    now = time.perf_counter()
    return max(0.0, min((client.due_at - now for client in _clients(selector) if not client.is_waiting), default=1.0))


def _send(client: _Client, order: Order) -> None:
    client.count += 1
    client.is_waiting = True
    client.key = f"{client.name}-{client.count}"
    invoice = f"INV-{client.count}"
    client.link.sendall(request_bytes(port=order.port, token=order.token, key=client.key, invoice=invoice))


def _hear(client: _Client, tally: _Tally, order: Order, count_from: float, until: float) -> bool:
    """False when the connection is closed. A partial answer stays in `received`."""
    more = client.link.recv(65536)
    client.received += more
    if not more:
        tally.errors.append("connection closed")
        return False
    answer = read_answer(client.received)
    if answer is None:
        return True
    now, client.received, client.is_waiting = time.perf_counter(), b"", False
    if not answer.is_done:
        tally.errors.append(f"{answer.status} {answer.body[:300].decode(errors='replace')}")
    else:
        tally.done_count += 1
        if count_from <= now < until:
            tally.latencies.append(now - client.due_at)
            tally.due_at[client.key] = client.due_at
    client.due_at = client.due_at + order.interval if order.interval else now
    return True


def _measured(tally: _Tally, seconds: float) -> Measured:
    return Measured(
        seconds=seconds,
        latencies_ms=[round(latency * 1000, 2) for latency in tally.latencies],
        due_at=tally.due_at,
        done_count=tally.done_count,
        error_count=len(tally.errors),
        error_samples=tally.errors[:SAMPLES_SHOWN],
    )


if __name__ == "__main__":
    print(json.dumps(asdict(_carry_out(Order(**json.load(sys.stdin))))))
