"""Attributes are read once for many spans, and secrets are looked for in a whole request first: neither may change what
is kept.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apps.telemetry import copying, secrets
from apps.telemetry.models import Mark, ReportedKind
from tests.conftest import Robot
from tests.telemetry.exporting import protobuf, send, span, stored, tell

pytestmark = pytest.mark.django_db

SECRETS = (
    *(
        "Bearer abcdefghijklmnop12",
        "bearer\u2003ABCDEFGHIJKLMNOPQ",
        "sk-ABCdef0123456789abcdef",
        "sk_live_0123456789abcdefghi",
    ),
    *("mca_0123456789:abcdefghijk", "ghp_0123456789abcdefg", "github_pat_0123456789abcdef", "xoxb-0123456789abcdefg"),
    *("AKIAABCDEFGHIJKLMNOP", "eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "-----BEGIN RSA PRIVATE KEY-----abc"),
    *('{"Password": "hunter2"}', '{"api_key":"x"}', '{"a":"{\\"client_secret\\"\u00a0: \\"x\\"}"}'),
)


@given(secret=st.sampled_from(SECRETS), before=st.text(max_size=20), after=st.text(max_size=20))
def test_what_is_masked_was_seen_in_the_whole_body(secret: str, before: str, after: str) -> None:
    text = f"{before} {secret} {after}".encode("utf-8", "replace").decode()
    assert secrets.without(text) != text
    assert secrets.may_be_in(text.encode())


@given(text=st.text(), secret=st.sampled_from(SECRETS))
def test_what_is_not_seen_would_not_be_masked(text: str, secret: str) -> None:
    """Whatever stands around it, and where the secret is damaged."""
    for one in (text, text + secret[: len(secret) // 2] + text):
        if not secrets.may_be_in(one.encode("utf-8", "replace")):
            assert secrets.without(one) is one
            assert not any(find.search(one) for find in (secrets._TEXT, secrets._MEMBER, secrets._MEMBER_WITHIN))


def test_words_about_secrets_are_none() -> None:
    assert not secrets.may_be_in(b"The customer forgot the password and asks for a secret authorization, sk-123")


def test_a_secret_in_one_span_does_not_change_the_others(writer: Robot) -> None:
    one = span(attributes={"note": "Bearer abcdefghijklmnop1234", "input.value": "hello"})
    two = span(attributes={"note": "hello", "input.value": "hello", "db.password": "hunter2"})
    three = span(attributes={"note": "hello"})
    tell(writer, one, two, three)
    assert [stored(each["trace"])[0].marks & Mark.MASKED > 0 for each in (one, two, three)] == [True, True, False]
    assert json.loads(stored(one["trace"])[0].attributes)["note"] == secrets.MASKED
    assert json.loads(stored(two["trace"])[0].payload) == {"attributes": {"input.value": "hello"}}


def test_a_secret_by_its_name_is_masked_where_the_room_for_payload_is_used_up(writer: Robot) -> None:
    big = {"name": "big", "attributes": {f"input.value.{n}": "x" * 33_000 for n in range(9)}}
    last = {"name": "last", "attributes": {"api_key": "hunter2hunter2hunter2", "plain": "visible"}}
    one = span(events=[big, last])
    tell(writer, one)
    [kept] = stored(one["trace"])
    assert "hunter2" not in kept.payload
    assert kept.marks == Mark.MASKED | Mark.TRUNCATED
    assert len(kept.payload) < 300_000


def test_an_attribute_told_twice_in_a_span_counts_as_it_was_told_last(writer: Robot) -> None:
    one = span(attributes={"gen_ai.request.model": "first"})
    request = ExportTraceServiceRequest.FromString(protobuf(one))
    again = request.resource_spans[0].scope_spans[0].spans[0].attributes
    again.add(key="gen_ai.request.model").value.string_value = "second"
    assert send(writer, request.SerializeToString()).status_code == 200
    [kept] = stored(one["trace"])
    assert kept.model == "second"
    assert json.loads(kept.attributes)["gen_ai.request.model"] == "second"


def test_spans_with_the_same_names_in_another_order_mean_the_same(writer: Robot) -> None:
    told: dict[str, Any] = {"gen_ai.system": "openai", "gen_ai.provider.name": "azure", "gen_ai.operation.name": "chat"}
    one, two = span(attributes=told), span(attributes=dict(reversed(told.items())))
    tell(writer, one, two)
    for each in (one, two):
        [kept] = stored(each["trace"])
        assert (kept.provider, kept.kind) == ("azure", ReportedKind.MODEL)


def test_an_attribute_that_is_none_refuses_the_whole_request(writer: Robot) -> None:
    """Its bytes are read later than the rest of the body."""
    good, bad = span(), span(attributes={"note": "hello"})
    body = protobuf(good, bad)
    for damaged in (body.replace(b"hello", b"h\xffllo"), body.replace(b"\x12\x07\n\x05hello", b"\x12\x07\n\x0fhello")):
        assert damaged != body
        answer = send(writer, damaged)
        assert (answer.status_code, b"telemetry.bad_protobuf" in answer.content) == (400, True)
    assert not stored(good["trace"])


@given(number=st.integers(-(2**63), 2**63 - 1))
def test_cells_of_numbers(number: int) -> None:
    assert copying.number(number) == copying.bigint(number.to_bytes(8, "big", signed=True))
