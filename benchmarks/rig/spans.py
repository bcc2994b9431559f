"""Requests of five hundred spans of about a kilobyte, as an agent's exporter sends them, and who sends them.

A body is serialized once; for each request only what is never told twice is written anew, so that clients cost the
machine next to nothing.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.rig.calls import connect, read_answer
from meshconsole.local.terminal import Trouble

SPANS, SPANS_OF_TRACE = 500, 20
TOOL_EVERY = 5
TRACE_BYTES = 16
# Stands in texts and ids where a number is put that nobody has sent.
SERIAL = "#serial-000#"
WAIT_SECONDS = 60.0
BUSY = 429


class Body:
    """The bytes of one request, and where in them stand the things that are never told twice."""

    def __init__(self) -> None:
        marks = [os.urandom(TRACE_BYTES) for _ in range(SPANS // SPANS_OF_TRACE)]
        self._bytes = _serialized(marks)
        self._places = [_places_of(mark, self._bytes) for mark in marks]
        self._serials = _places_of(SERIAL.encode(), self._bytes)

    def __len__(self) -> int:
        return len(self._bytes)

    def renewed(self) -> bytes:
        """The same spans in traces that nobody has seen, with texts and ids that nobody has sent."""
        body = bytearray(self._bytes)
        for places in self._places:
            trace = os.urandom(TRACE_BYTES)
            for place in places:
                body[place : place + TRACE_BYTES] = trace
        first, size = int.from_bytes(os.urandom(4), "big"), len(SERIAL)
        for number, place in enumerate(self._serials, first):
            body[place : place + size] = b"%012d" % number
        return bytes(body)


def _places_of(mark: bytes, body: bytes) -> list[int]:
    places, at = [], body.find(mark)
    while at >= 0:
        places.append(at)
        at = body.find(mark, at + len(mark))
    return places


def _serialized(traces: list[bytes]) -> bytes:
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    of_resource.resource.attributes.add(key="service.name").value.string_value = "refund-agent"
    spans = of_resource.scope_spans.add()
    spans.scope.name = "pydantic-ai"
    now = time.time_ns()
    for trace in traces:
        root, conversation = os.urandom(8), os.urandom(16).hex()
        for number in range(SPANS_OF_TRACE):
            span = spans.spans.add(trace_id=trace, span_id=os.urandom(8) if number else root)
            span.parent_span_id = root if number else b""
            span.start_time_unix_nano, span.end_time_unix_nano = now - 10**9 + number, now + number
            _tell(span, number, conversation)
    return bytes(request.SerializeToString())


def _tell(span: object, number: int, conversation: str) -> None:
    """One turn, then model calls, every fifth step a tool: what such traces are made of. No two of their texts are the
    same, so that nobody can be quick by having seen them before.
    """
    is_tool = number % TOOL_EVERY == TOOL_EVERY - 1
    texts: dict[str, str] = {"gen_ai.agent.name": "refund_agent", "gen_ai.conversation.id": conversation}
    if number == 0:
        span.name = "invoke_agent refund_agent"  # type: ignore[attr-defined]
        texts |= {"gen_ai.operation.name": "invoke_agent", "final_result": f"{SERIAL} refunded. " + "It is done. " * 50}
    elif is_tool:
        span.name = "execute_tool get_order"  # type: ignore[attr-defined]
        texts |= {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "get_order"}
        texts |= {"gen_ai.tool.call.id": f"call_{SERIAL}", "gen_ai.tool.call.arguments": f'{{"order_id":"{SERIAL}"}}'}
        result = '{"sku":"A-17","status":"delivered","total":129.5},' * 10
        texts["gen_ai.tool.call.result"] = f'{{"order_id":"{SERIAL}","lines":[{result}]}}'
    else:
        span.name = "chat gpt-5"  # type: ignore[attr-defined]
        texts |= {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-5"}
        texts |= {"gen_ai.response.model": "gpt-5-2026-08", "gen_ai.response.id": f"resp_{SERIAL}"}
        asked = '{"role":"user","parts":[{"content":"Refund my order"}]},' * 5
        texts["gen_ai.input.messages"] = f'[{asked}{{"order":"{SERIAL}"}}]'
        done = '{"role":"assistant","parts":[{"content":"Done"}]},' * 3
        texts["gen_ai.output.messages"] = f'[{done}{{"order":"{SERIAL}"}}]'
        for name, most in (("gen_ai.usage.input_tokens", 9000), ("gen_ai.usage.output_tokens", 500)):
            span.attributes.add(key=name).value.int_value = int.from_bytes(os.urandom(2), "big") % most  # type: ignore[attr-defined]
    for name, text in texts.items():
        span.attributes.add(key=name).value.string_value = text  # type: ignore[attr-defined]


@dataclass(slots=True)
class Sent:
    """What was acknowledged, how long that took, and how often the console asked to come again."""

    span_count: int = 0
    busy_count: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.span_count / self.seconds


def send_spans(port: int, token: str, *, client_count: int, request_count: int) -> Sent:
    """So many requests by so many clients, each asking again as soon as it is answered."""
    sent, lock, body = Sent(), threading.Lock(), Body()
    left = iter(range(request_count))
    troubles: list[str] = []

    def work() -> None:
        link = connect(port)
        link.settimeout(WAIT_SECONDS)
        try:
            while True:
                with lock:
                    if troubles or next(left, None) is None:
                        return
                _send_one(link, _head(port, token, len(body)), body.renewed(), sent, lock)
        except (OSError, Trouble) as trouble:
            troubles.append(str(trouble) or type(trouble).__name__)
        finally:
            link.close()

    threads = [threading.Thread(target=work) for _ in range(client_count)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent.seconds = time.perf_counter() - began
    if troubles:
        raise Trouble(f"Spans could not be sent: {troubles[0]}")
    return sent


def _head(port: int, token: str, length: int) -> bytes:
    return (
        f"POST /v1/traces HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/x-protobuf\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def _send_one(link: socket.socket, head: bytes, body: bytes, sent: Sent, lock: threading.Lock) -> None:
    """Until it is acknowledged: who is told to come again does."""
    while True:
        began = time.perf_counter()
        link.sendall(head + body)
        received = b""
        while (answer := read_answer(received)) is None:
            if not (more := link.recv(65536)):
                raise Trouble("the console closed the connection")
            received += more
        if answer.status == BUSY:
            with lock:
                sent.busy_count += 1
            time.sleep(0.2)
            continue
        if answer.status != 200 or answer.body:
            raise Trouble(f"{answer.status} {answer.body[:300]!r}")
        with lock:
            sent.span_count += SPANS
            sent.latencies.append(time.perf_counter() - began)
        return
