"""Finding personal data in text. What is about our side of it runs with a small library of the tests' own."""

import socket
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from apps.policies import detectors
from apps.policies.detectors import NAMES, without_detected

real = pytest.mark.skipif(find_spec("presidio_analyzer") is None, reason="The extra “pii” is not installed here.")
ALL = NAMES


def forget() -> None:
    detectors.installed.cache_clear()
    detectors.recognizer.cache_clear()


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(detectors, "LIBRARY", "tests.fakes.detectors")
    forget()
    yield
    monkeypatch.undo()
    forget()


def found(document: Any, *names: str) -> Any:
    return without_detected(document, names or ALL, lambda name: f"[{name}]")


@pytest.mark.usefixtures("library")
def test_what_is_found_is_masked_wherever_text_stands() -> None:
    document = {"to": ["Ann <ann@example.com>", 4111111111111111, None, True, 1.5], "bob@example.com": {"n": "x"}}
    assert found(document) == {
        "to": ["Ann <[detected:email]>", "[detected:card]", None, True, 1.5],
        "[detected:email]": {"n": "x"},
    }
    assert document["to"][0] == "Ann <ann@example.com>"  # type: ignore[index]
    assert found("ann@example.com 10.0.0.7", "detected:ip") == "ann@example.com [detected:ip]"


@pytest.mark.usefixtures("library")
def test_finds_that_overlap_are_one() -> None:
    assert found("call +4930901820 123456") == "call [detected:phone]"


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "document",
    [
        {"a": "x" * (detectors.MOST_CHARACTERS + 1), "b": "ann"},
        {"a": ["xxxxxxxx"] * (detectors.MOST_CHARACTERS // 8), "b": "ann"},
        {"a": "boom", "b": "ann"},
    ],
    ids=["a text too long", "many texts", "a library that fails"],
)
def test_what_cannot_be_looked_through_is_masked_as_a_whole(document: Any) -> None:
    masked = found({**document, "n": 7, "ok": True}, "detected:email")
    assert masked["b"] == masked["n"] == "[detected:email]"
    assert masked["ok"] is True
    assert set(str(masked["a"])) <= set("[]detected:email', ")


@pytest.mark.usefixtures("library")
def test_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors, "MOST_SECONDS", 0.1)
    assert found(["sleepy"] * 50, "detected:email") == ["[detected:email]"] * 50


def test_without_the_library_nothing_is_installed_and_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors, "LIBRARY", "no_such_library")
    forget()
    try:
        assert detectors.installed() == ()
        assert found({"a": "nothing personal"}, "detected:email") == {"a": "[detected:email]"}
    finally:
        forget()


TEXT = (
    "Write to ann@example.com, IBAN DE89 3704 0044 0532 0130 00, card 4111 1111 1111 1111, call +49 30 901820,"
    " host 192.168.3.7 or 2001:db8::1. Order 4711 of 2026-11-20 over 1,280.00 EUR."
)


@real
def test_the_real_library_finds_them_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*args: Any, **more: Any) -> Any:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.setattr(socket.socket, "connect", nowhere)
    forget()
    assert detectors.installed() == NAMES
    assert found(TEXT) == (
        "Write to [detected:email], IBAN [detected:iban], card [detected:card], call [detected:phone],"
        " host [detected:ip] or [detected:ip]. Order 4711 of 2026-11-20 over 1,280.00 EUR."
    )


@real
def test_the_real_library_minds_checksums() -> None:
    text = "IBAN DE89 3704 0044 0532 0130 01, card 4111 1111 1111 1112"
    assert found(text, "detected:iban", "detected:card") == text
