"""What finds personal data in text that no schema marks. A library does, and it is an optional one: where it is not
installed there are no detectors, and a policy that demands one denies.

The library is loaded by the first text that needs it, in that process. It is used without a language model and without
the network: patterns, checksums and telephone numbering plans.
"""

import importlib
import time
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import structlog

log = structlog.get_logger(__name__)

PREFIX = "detected:"
LIBRARY = "presidio_analyzer"
# Our name → the library's recognizer.
RECOGNIZERS = {
    "card": "CreditCardRecognizer",
    "email": "EmailRecognizer",
    "iban": "IbanRecognizer",
    "ip": "IpRecognizer",
    "phone": "PhoneRecognizer",
}
NAMES = tuple(PREFIX + name for name in RECOGNIZERS)
# Of all the text in one answer, and for all of it. The slowest recognizer takes half a second for so much.
MOST_CHARACTERS = 20_000
MOST_SECONDS = 2.0

# Puts something in the place of text that was found, or of a whole text where nobody looked.
Mask = Callable[[str], str]


@cache
def installed() -> tuple[str, ...]:
    """The detectors that a policy can demand here: all of them or none."""
    return NAMES if find_spec(LIBRARY) is not None else ()


class _NotLookedAt(Exception):
    """Too much text, too little time, or a detector that is not there or failed."""


def without_detected(document: Any, names: tuple[str, ...], mask: Mask) -> Any:
    """The document with what these detectors find masked, in the names of members too. Where it could not be looked at
    as a whole, all text in it is masked.
    """
    try:
        finder = _Finder(names, mask)
        return finder.of(document)
    except _NotLookedAt as reason:
        log.warning("detectors.not_looked_at", why=str(reason))
    return all_text_masked(document, mask(names[0]))


def all_text_masked(document: Any, mask: str) -> Any:
    """Every text of the document, and every number that may be one, replaced; what it is made of stays."""
    if isinstance(document, dict):
        return {name: all_text_masked(part, mask) for name, part in document.items()}
    if isinstance(document, list):
        return [all_text_masked(part, mask) for part in document]
    return document if document is None or isinstance(document, bool) else mask


class _Finder:
    def __init__(self, names: tuple[str, ...], mask: Mask) -> None:
        self.names, self.mask = names, mask
        self.left = MOST_CHARACTERS
        self.end = time.monotonic() + MOST_SECONDS

    def of(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self.text(name): self.of(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.of(part) for part in value]
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            # a card or a telephone number may come as a number
            text = self.text(str(value))
            return value if text == str(value) else text
        return value

    def text(self, text: str) -> str:
        self.left -= len(text)
        if self.left < 0:
            raise _NotLookedAt("too much text")
        found = [span for name in self.names for span in self._spans(name, text)]
        for start, end, name in reversed(_apart(found)):
            text = text[:start] + self.mask(name) + text[end:]
        return text

    def _spans(self, name: str, text: str) -> list[tuple[int, int, str]]:
        if time.monotonic() > self.end:
            raise _NotLookedAt("out of time")
        if len(text) < 4:
            return []
        try:
            found = recognizer(name).analyze(text, recognizer(name).supported_entities, None)
        except Exception as error:
            raise _NotLookedAt(type(error).__name__) from None
        return [(span.start, span.end, name) for span in found]


def _apart(spans: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """In order, those that overlap joined into one."""
    apart: list[tuple[int, int, str]] = []
    for start, end, name in sorted(spans):
        if apart and start < apart[-1][1]:
            before = apart.pop()
            start, end, name = before[0], max(end, before[1]), before[2]
        apart.append((start, end, name))
    return apart


@cache
def recognizer(name: str) -> Any:
    """The library's recognizer, made once a process."""
    _stay_at_home()
    recognizers = importlib.import_module(f"{LIBRARY}.predefined_recognizers")
    return getattr(recognizers, RECOGNIZERS[name.removeprefix(PREFIX)])()


def _stay_at_home() -> None:
    """Its recognizer of addresses asks the network for the list of top-level domains, unless it is told to use the one
    that came with it.
    """
    if find_spec("tldextract") is None:
        return
    tld = importlib.import_module("tldextract")
    tld.tldextract.TLD_EXTRACTOR = tld.TLDExtract(suffix_list_urls=(), cache_dir=None)
