"""`POST /v1/traces`: who may, in which forms, what is kept of a span, and that a span is there once."""

import datetime as dt
import gzip
import io
import json
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.db import connection
from django.test import Client, RequestFactory
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from apps.core import clock
from apps.telemetry import partitions, storing, views
from apps.telemetry.models import Mark, ReportedSpan, Trace
from tests.conftest import Robot, at_once, robot_named
from tests.telemetry.exporting import JSON, PROTOBUF, as_json, now_ns, protobuf, send, span, stored, tell

pytestmark = pytest.mark.django_db
DAY_NS = 86_400 * 10**9


def _message(answer: Any) -> str:
    """What google.rpc.Status says in protobuf: a number, then the text."""
    return str(answer.content[4:].decode())


# --- forms


def test_protobuf_and_json_are_the_same_span(writer: Robot) -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": 2**40,
        "temperature": 0.5,
        "cache": True,
    }
    one, two = span("chat gpt", attributes=attributes), span("chat gpt", attributes=attributes)
    assert send(writer, protobuf(one)).content == b""
    answer = send(writer, as_json(two), content_type=JSON)
    assert (answer["Content-Type"], answer.content) == (JSON, b"{}")
    [first], [second] = stored(one["trace"]), stored(two["trace"])
    for name in ("kind", "status", "name", "input_tokens"):
        assert getattr(first, name) == getattr(second, name)
    shown = json.loads(second.attributes)
    assert shown == {**attributes}
    assert json.loads(first.attributes) == {**attributes, "otel.scope.name": "tests"}


def test_a_zipped_body_and_capital_ids_are_read(writer: Robot) -> None:
    one = span()
    assert send(writer, protobuf(one), zipped=True).status_code == 200
    assert len(stored(one["trace"])) == 1
    two = span()
    capital = as_json({**two, "trace": two["trace"].upper()})
    assert send(writer, capital, content_type=JSON + "; charset=utf-8").status_code == 200
    assert len(stored(two["trace"])) == 1


def test_a_body_in_chunks_is_read_whole(writer: Robot) -> None:
    """Exporters in JavaScript send no length."""
    one = span()
    client = Client(raise_request_exception=False)
    body = protobuf(one)
    answer = client.generic(
        "POST",
        "/v1/traces",
        b"",
        headers={"Authorization": f"Bearer {writer.token}", "Transfer-Encoding": "chunked", "Content-Type": PROTOBUF},
        **{"wsgi.input": io.BytesIO(body)},  # type: ignore[arg-type]
    )
    assert answer.status_code == 200, answer.content
    assert len(stored(one["trace"])) == 1


@pytest.mark.parametrize(
    ("body", "encoding", "status", "code"),
    [
        (b"\xff\xff\xff\xff", "", 400, "telemetry.bad_protobuf"),
        (b"not gzip", "gzip", 400, "telemetry.bad_gzip"),
        (gzip.compress(b"x" * 1000)[:-4], "gzip", 400, "telemetry.bad_gzip"),
        (gzip.compress(bytes(64 << 20)), "gzip", 413, "telemetry.too_large"),
        (bytes(17 << 20), "", 413, "telemetry.too_large"),
        (b"x", "br", 415, "telemetry.encoding"),
    ],
    ids=["malformed", "no gzip", "cut gzip", "gzip bomb", "too large", "unknown encoding"],
)
def test_what_cannot_be_read_is_refused_in_the_clients_encoding(
    writer: Robot, body: bytes, encoding: str, status: int, code: str
) -> None:
    answer = send(writer, body, encoding=encoding)
    assert (answer.status_code, answer["Content-Type"]) == (status, PROTOBUF)
    assert _message(answer).startswith(f"{code}: ")
    assert not Trace.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"resourceSpans": 1}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz", "spanId": "00"}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"spanId": "00"}]}]}]}',
        b'{"a": "\xff"}',
        b"[" * 100_000,
    ],
)
def test_json_that_is_no_request_is_refused_in_json(writer: Robot, body: bytes) -> None:
    answer = send(writer, body, content_type=JSON)
    assert (answer.status_code, answer["Content-Type"]) == (400, JSON)
    told = json.loads(answer.content)
    assert told["code"] == 3
    assert told["message"].startswith("telemetry.bad_json: ")


def test_text_that_is_not_utf8_stores_nothing_of_the_request(writer: Robot) -> None:
    body = protobuf(span("good"), span("marker-of-ours")).replace(b"marker-of-ours", b"marker-of-our\xff")
    answer = send(writer, body)
    assert answer.status_code == 400
    assert "UTF-8" in _message(answer)
    assert not ReportedSpan.objects.exists()


def test_other_types_and_methods(writer: Robot) -> None:
    assert send(writer, b"x", content_type="text/plain").status_code == 415
    assert Client().get("/v1/traces").status_code == 405


# --- who


def test_only_an_agents_token_may(
    writer: Robot, sign_in: Callable[[str], Client], time_passes: Callable[..., None]
) -> None:
    body = protobuf(span())
    stranger = Client().post("/v1/traces", body, content_type=PROTOBUF)
    assert (stranger.status_code, stranger["WWW-Authenticate"]) == (401, 'Bearer realm="mesh-console"')
    assert sign_in("priya").post("/v1/traces", body, content_type=PROTOBUF).status_code == 403
    time_passes(hours=1)
    assert "token.expired" in _message(send(writer, body))
    assert not ReportedSpan.objects.exists()


def test_the_same_trace_of_two_processes_is_two_traces(writer: Robot) -> None:
    """So that nobody can keep another's span out, or read it, by knowing its id."""
    one = span("mine")
    tell(writer, one)
    tell(robot_named("payer"), {**one, "name": "theirs"})
    assert Trace.objects.values("process").distinct().count() == 2
    assert sorted(one.name for one in stored(one["trace"])) == ["mine", "theirs"]


# --- once


def test_a_span_sent_again_is_there_once(writer: Robot, time_passes: Callable[..., None]) -> None:
    spans = [span(trace="ab" * 16) for _ in range(3)]
    tell(writer, *spans[:2])
    tell(writer, *spans)
    assert len(stored("ab" * 16)) == 3
    time_passes(minutes=10)
    # told again with other times: the same span
    tell(writer, {**spans[0], "started_ns": spans[0]["started_ns"] - DAY_NS, "name": "changed"})
    assert len(stored("ab" * 16)) == 3
    assert "changed" not in {one.name for one in stored("ab" * 16)}


def test_a_span_told_twice_in_one_request(writer: Robot) -> None:
    one = span("one")
    tell(writer, one, one)
    two = span("two")
    answer = send(writer, protobuf(two, {**two, "name": "other"}))
    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, told.rejected_spans) == (200, 1)
    assert "twice" in told.error_message
    assert [each.name for each in stored(two["trace"])] == ["two"]


@pytest.mark.django_db(transaction=True)
def test_eight_requests_with_the_same_spans_at_once_store_them_once(writer: Robot) -> None:
    spans = [span(trace=f"{trace:032x}") for trace in range(1, 6) for _ in range(20)]
    bodies = [protobuf(*spans), protobuf(*reversed(spans))] * 4
    views._slots = type(views._slots)(8)
    answers = at_once([lambda body=body: send(writer, body).status_code for body in bodies])  # type: ignore[misc]
    assert answers == [200] * 8
    assert ReportedSpan.objects.count() == 100
    assert Trace.objects.count() == 5


# --- what is kept


def test_bad_ids_are_a_partial_success_and_the_rest_is_kept(writer: Robot) -> None:
    good = span("good")
    answer = send(writer, protobuf(good, span(trace="00" * 16), span(span_id="ab"), span(trace="abcd")))
    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, told.rejected_spans) == (200, 3)
    assert "16 bytes" in told.error_message
    assert len(stored(good["trace"])) == 1
    in_json = send(writer, as_json(span(trace="00" * 16)), content_type=JSON)
    assert json.loads(in_json.content)["partialSuccess"]["rejectedSpans"] == "1"


def test_an_attribute_of_ten_megabytes_is_cut_with_a_mark(writer: Robot) -> None:
    one = span(attributes={"gen_ai.input.messages": "m" * (10 << 20), "note": "n" * 300, "x" * 5000: "y"})
    tell(writer, one)
    [kept] = stored(one["trace"])
    assert kept.marks & Mark.TRUNCATED
    payload = json.loads(kept.payload)["attributes"]
    assert payload["gen_ai.input.messages"].endswith("truncated: 10485760 characters")
    assert payload["note"] == "n" * 300
    assert len(kept.payload) < 100_000


def test_so_many_attributes_and_so_deep_are_cut(writer: Robot) -> None:
    deep: Any = "end"
    for _ in range(20):
        deep = {"in": deep}
    one = span(attributes={"deep": deep, **{f"a{number}": number for number in range(1000)}})
    tell(writer, one)
    [kept] = stored(one["trace"])
    assert kept.marks & Mark.TRUNCATED
    assert len(json.loads(kept.attributes)) < 300


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("db.password", "hunter2"),
        ("http.request.header.authorization", "Basic abc"),
        ("openai.api_key", "whatever"),
        ("note", "Bearer abcdefghijklmnop1234"),
        ("gen_ai.input.messages", 'use {"password": "hunter2"} and sk-abcdefghijklmnopqrstuvwx'),
        ("input.value", '{"args": "{\\"api_key\\": \\"hunter2\\"}"}'),
        ("tool.parameters", {"client_secret": "hunter2", "order": "W1"}),
    ],
)
def test_a_secret_is_stored_nowhere(writer: Robot, name: str, value: Any) -> None:
    one = span(attributes={name: value})
    tell(writer, one)
    [kept] = stored(one["trace"])
    everything = kept.attributes + kept.payload
    assert "masked: secret" in everything
    for secret in ("hunter2", "abcdefghijklmnop", "Basic abc", "whatever"):
        assert secret not in everything
    assert kept.marks & Mark.MASKED


def test_counts_of_tokens_are_no_secrets(writer: Robot) -> None:
    names = {"gen_ai.usage.input_tokens": 5, "llm.token_count.prompt": 5, "max_tokens": 9, "gen_ai.token.type": "input"}
    one = span(attributes=names)
    tell(writer, one)
    [kept] = stored(one["trace"])
    assert json.loads(kept.attributes) == {**names, "otel.scope.name": "tests"}


def test_odd_characters_and_numbers_are_kept_or_written_out(writer: Robot) -> None:
    one = span("na\x00me", attributes={"nul": "a\x00b", "nan": float("nan"), "raw": b"\xff\x00", "tab": "a\tb\\N\n"})
    tell(writer, one)
    [kept] = stored(one["trace"])
    assert kept.name == "name"
    assert json.loads(kept.attributes) == {
        "nul": "a\x00b",
        "nan": "nan",
        "raw": "ff00",
        "tab": "a\tb\\N\n",
        "otel.scope.name": "tests",
    }
    half = as_json(span(trace="cd" * 16)).replace(b'"step"', b'"half \\ud800"')
    assert send(writer, half, content_type=JSON).status_code == 200
    assert [each.name for each in stored("cd" * 16)] == ["half ?"]


# --- times and parents


def test_late_early_and_parentless_spans_share_the_partition_of_their_trace(
    writer: Robot, time_passes: Callable[..., None]
) -> None:
    trace = "ef" * 16
    child = span("child", trace=trace, parent="0123456789abcdef")
    tell(writer, child)
    time_passes(days=1)
    parent = span("parent", trace=trace, span_id="0123456789abcdef", ended_ns=now_ns() - 5 * DAY_NS)
    time_passes(minutes=5)
    tell(robot_named("writer"), parent)
    kept = stored(trace)
    assert [one.name for one in kept] == ["parent", "child"]
    assert kept[1].parent_span_id == kept[0].span_id
    assert len({one.trace for one in kept}) == 1


def test_a_clock_a_day_ahead_is_marked(writer: Robot) -> None:
    one = span(ended_ns=now_ns() + DAY_NS)
    tell(writer, one)
    [kept] = stored(one["trace"])
    assert kept.marks & Mark.CLOCK_AHEAD
    assert kept.ended_ns == one["ended_ns"]


def test_times_that_cannot_be(writer: Robot) -> None:
    backwards = span(started_ns=now_ns())
    backwards["ended_ns"] = backwards["started_ns"] - 10**9
    none = span(started_ns=0, ended_ns=0)
    tell(writer, backwards, none)
    [kept] = stored(backwards["trace"])
    assert kept.started_ns == kept.ended_ns
    [kept] = stored(none["trace"])
    assert kept.started_ns > 0
    answer = send(writer, protobuf(span(started_ns=1, ended_ns=2**64 - 1)))
    assert b"later" in answer.content


def test_a_span_that_is_its_own_parent_is_a_root(writer: Robot) -> None:
    one = span(span_id="aa" * 8, parent="aa" * 8)
    tell(writer, one)
    [kept] = stored(one["trace"])
    assert (kept.parent_span_id, kept.marks & Mark.OWN_PARENT) == (None, Mark.OWN_PARENT)


def test_spans_that_are_each_others_parents_are_kept_as_they_were_told(writer: Robot) -> None:
    """The circle is opened where they are read."""
    trace = "bc" * 16
    one, two = (
        span(name, trace=trace, span_id=own, parent=other)
        for name, own, other in (("one", "aa" * 8, "bb" * 8), ("two", "bb" * 8, "aa" * 8))
    )
    tell(writer, one, two)
    first, second = stored(trace)
    assert (first.parent_span_id, second.parent_span_id) == (second.span_id, first.span_id)


# --- pressure and partitions


class Body(io.BytesIO):
    """Of which one can see whether it is gone."""


def test_a_request_that_is_answered_holds_its_body_no_longer(writer: Robot) -> None:
    """It stands in a circle with what middleware hung onto it, and the collector comes late."""
    content = protobuf(span())
    body = Body(content)
    request = RequestFactory().post(
        "/v1/traces", content_type=PROTOBUF, headers={"Authorization": f"Bearer {writer.token}"}
    )
    request = WSGIRequest({**request.META, "CONTENT_LENGTH": str(len(content)), "wsgi.input": body})
    is_there = weakref.ref(body)
    del body
    assert views.traces(request).status_code == 200
    assert is_there() is None


def test_under_pressure_it_says_when_to_come_again(writer: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    full = type(views._slots)(1)
    full.acquire()
    monkeypatch.setattr(views, "_slots", full)
    monkeypatch.setattr(views, "SLOT_SECONDS", 0.01)
    answer = send(writer, protobuf(span()))
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    assert "telemetry.busy" in _message(answer)
    assert not ReportedSpan.objects.exists()
    full.release()
    assert send(writer, b"\xff\xff").status_code == 400
    # a refusal gives its slot back
    assert send(writer, protobuf(span())).status_code == 200


def _partition_of(trace: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tableoid::regclass::text FROM telemetry_reportedspan WHERE trace = %s",
            [Trace.objects.get(trace_id=trace).id],
        )
        return str(cursor.fetchone()[0])


def test_without_a_partition_nothing_is_lost_and_making_it_moves_what_came(
    writer: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = clock.now().astimezone(dt.UTC).date()
    if f"{partitions.TABLE}_{today:%Y%m%d}" in partitions.partition_names():
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {partitions.TABLE}_{today:%Y%m%d}")
    monkeypatch.setattr(storing, "_days_made", {today})
    one = span()
    tell(writer, one)
    assert _partition_of(one["trace"]) == partitions.DEFAULT
    made = partitions.make_partitions()
    assert f"{partitions.TABLE}_{today:%Y%m%d}" in made
    assert _partition_of(one["trace"]) == f"{partitions.TABLE}_{today:%Y%m%d}"
    assert len(stored(one["trace"])) == 1
    assert partitions.make_partitions() == []
