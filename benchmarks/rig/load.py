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
    """So many clients for so long. `name` makes the idempotency keys of this round its own."""

    port: int
    token: str
    name: str
    client_count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """`latencies_ms` are of the calls answered after the warm-up; `done_count` is of all calls."""

    seconds: float
    latencies_ms: list[float]
    done_count: int
    error_count: int
    error_samples: list[str]

    @property
    def per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile_ms(self, percent: int) -> float:
        """The latency that so many of a hundred calls stay below."""
        ordered = sorted(self.latencies_ms) or [0.0]
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]

    def __add__(self, other: Measured) -> Measured:
        return Measured(
            seconds=self.seconds + other.seconds,
            latencies_ms=self.latencies_ms + other.latencies_ms,
            done_count=self.done_count + other.done_count,
            error_count=self.error_count + other.error_count,
            error_samples=(self.error_samples + other.error_samples)[:SAMPLES_SHOWN],
        )


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
    name: str
    link: socket.socket
    count: int = 0
    sent_at: float = 0.0
    received: bytes = b""


@dataclass
class _Tally:
    latencies: list[float] = field(default_factory=list)
    done_count: int = 0
    errors: list[str] = field(default_factory=list)


def _carry_out(order: Order) -> Measured:
    tally, selector = _Tally(), selectors.DefaultSelector()
    clients = [_Client(f"{order.name}-{number}", connect(order.port)) for number in range(order.client_count)]
    count_from = time.perf_counter() + WARM_UP_SECONDS
    until = count_from + order.seconds
    for client in clients:
        selector.register(client.link, selectors.EVENT_READ, client)
        _send(client, order)
    # every call that was begun is waited for: the ledger knows it too
    while selector.get_map() and time.perf_counter() < until + ANSWER_SECONDS:
        for key, _ in selector.select(timeout=1):
            if _hear(key.data, tally, count_from, until):
                selector.unregister(key.data.link)
            elif not key.data.received:
                _send(key.data, order)
    tally.errors += ["no answer"] * len(selector.get_map())
    return _measured(tally, order.seconds)


def _send(client: _Client, order: Order) -> None:
    client.count += 1
    key = f"{client.name}-{client.count}"
    request = request_bytes(port=order.port, token=order.token, key=key, invoice=f"INV-{client.count}")
    client.sent_at = time.perf_counter()
    client.link.sendall(request)


def _hear(client: _Client, tally: _Tally, count_from: float, until: float) -> bool:
    """True when this client is through. A partial answer stays in `received`."""
    more = client.link.recv(65536)
    client.received += more
    if not more:
        tally.errors.append("connection closed")
        return True
    answer = read_answer(client.received)
    if answer is None:
        return False
    now, client.received = time.perf_counter(), b""
    if not answer.is_done:
        tally.errors.append(f"{answer.status} {answer.body[:300].decode(errors='replace')}")
    else:
        tally.done_count += 1
        if count_from <= now < until:
            tally.latencies.append(now - client.sent_at)
    return now >= until


def _measured(tally: _Tally, seconds: float) -> Measured:
    return Measured(
        seconds=seconds,
        latencies_ms=[round(latency * 1000, 2) for latency in tally.latencies],
        done_count=tally.done_count,
        error_count=len(tally.errors),
        error_samples=tally.errors[:SAMPLES_SHOWN],
    )


if __name__ == "__main__":
    print(json.dumps(asdict(_carry_out(Order(**json.load(sys.stdin))))))
