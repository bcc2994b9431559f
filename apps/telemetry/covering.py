"""What of a span is kept where: what names and counts things in the open, what was said to and by models and tools as
payload, and secrets nowhere. Everything is cut to a size, with a mark.
"""

import json
import re
from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

from apps.telemetry.otlp import Attributes, Event, Link, Told

MASKED = "masked: secret"
# An attribute in the open is a code, a name or a count. What is longer is text that somebody wrote.
OPEN_LENGTH = 256
MOST_ATTRIBUTES = 256
PAYLOAD_LENGTH = 32 * 1024
PAYLOAD_TOTAL = 256 * 1024
MOST_EVENTS = 64

# Text that people and models wrote, whatever its length, in every dialect.
_PAYLOAD = re.compile(
    r"""
    gen_ai\.(prompt|completion|input\.messages|output\.messages|system_instructions|tool\.definitions
            |tool\.call\.(arguments|result)|content\.|evaluation\.explanation|retrieval\.)
  | (input|output)\.value | llm\.(input_messages|output_messages|prompts|completions|prompt_template|tools|function_call
            |invocation_parameters|content_completion_chunk)
  | retrieval\.documents | reranker\.(input|output)_documents | embedding\.(embeddings|text|vector)
  | tool\.parameters | tool_call\.function\.arguments | message\. | document\. | metadata$
  | traceloop\.entity\.(input|output) | traceloop\.prompt
  | ai\.(prompt|response\.(text|object|toolCalls|reasoning|files|msgId)|toolCall\.(args|result)|value|values|embedding)
  | pydantic_ai\.all_messages | all_messages_events | final_result | model_request_parameters
  | logfire\.(msg|json_schema)
  | events$ | exception\.(message|stacktrace) | db\.(statement|query\.text) | url\.(full|query) | http\.(url|target)
  | (user|enduser|customer|client)\.(email|name|full_name|phone|address)
    """,
    re.VERBOSE,
)
# Names under which programs keep what nobody else may have. Tokens that are counted are not meant.
_SECRET_NAME = re.compile(
    r"(^|[._\-/])(password|passwd|pwd|secret|client_?secret|api[_-]?key|apikey|access[_-]?key|private[_-]?key|"
    r"authorization|proxy-authorization|cookie|set-cookie|credentials?|(access|refresh|id|auth|bearer|session|api)[_-]?token|"
    r"token)$",
    re.IGNORECASE,
)
# What gives itself away wherever it stands; in JSON it ends where its text does.
_SECRET_TEXT = re.compile(
    r"\b[Bb]earer\s+[A-Za-z0-9._~+/=-]{16,}"
    r"|\bsk[-_][A-Za-z0-9_-]{20,}"
    r"|\bmca_[A-Za-z0-9:_-]{20,}"
    r"|\b(?:ghp|gho|ghs|github_pat|glpat|xox[abprs])[-_][A-Za-z0-9_-]{16,}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+"
    r'|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-"]*(?:-----END [A-Z ]*PRIVATE KEY-----)?'
)
_MEMBERS = "(?:password|passwd|secret|client_secret|api_?key|access_token|refresh_token|authorization|private_key)"
# A member of a JSON document within the text, and one of a document that is itself a text in it.
_SECRET_MEMBER = re.compile(rf'("{_MEMBERS}"\s*:\s*")(?:[^"\\]|\\.)+', re.IGNORECASE)
_SECRET_WITHIN = re.compile(rf'(\\+"{_MEMBERS}\\+"\s*:\s*\\+")(?:[^"\\]|\\[^"])+', re.IGNORECASE)
# One of these is in every text that the above find, in small letters. Asking for each is faster than one expression for
# all, and is still a sixth of what a span costs.
_SIGNS = (
    *("earer ", "sk-", "sk_", "mca_", "ghp_", "gho_", "ghs_", "github_pat", "glpat", "xox", "akia", "eyj", "private"),
    *("passw", "secret", "api_key", "apikey", "access_token", "refresh_token", "authorization"),
)
# Too short for any of them.
SHORTEST_SECRET = 16
_ENCODER = json.JSONEncoder(separators=(",", ":"), default=str)


def _maker() -> Callable[[Any], str]:
    """JSONEncoder makes the part of it that is written in C anew for each document, which takes as long as writing a
    small one. So that part is made once, where this Python has it in the known form.
    """
    try:
        make = json.encoder.c_make_encoder  # type: ignore[attr-defined]
        parts = make(None, str, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True)
        is_known = "".join(parts({"a": [1, "é"]}, 0)) == _ENCODER.encode({"a": [1, "é"]})
    except (AttributeError, TypeError):
        is_known = False
    return (lambda value: "".join(parts(value, 0))) if is_known else _ENCODER.encode


_ENCODE = _maker()

OPEN, PAYLOAD, SECRET = "open", "payload", "secret"
# What a JSON document begins with.
_BRACKETS = frozenset("{[")


class Covered(NamedTuple):
    """`open` and `payload` as JSON, payload "" where there is none."""

    open: str
    payload: str
    is_cut: bool
    is_masked: bool


# Where names belong that were met before; programs use few, but nothing keeps them from making up more.
_places: dict[str, str] = {}
MOST_PLACES = 8192


def place_of(name: str) -> str:
    """Where an attribute of this name belongs, as far as its name says."""
    if _SECRET_NAME.search(name):
        place = SECRET
    else:
        place = PAYLOAD if len(name) > OPEN_LENGTH or _PAYLOAD.match(name) else OPEN
    if len(_places) < MOST_PLACES and len(name) <= OPEN_LENGTH:
        _places[name] = place
    return place


def covered(told: Told, extra: Attributes) -> Covered:
    """The attributes of a span, its events and links, each where it belongs. `extra` is in the open too."""
    return _Cover().cover(told, extra)


class _Cover:
    """Of one span: what room is left, and what had to be done."""

    __slots__ = ("is_cut", "is_masked", "room")

    def __init__(self) -> None:
        self.room = PAYLOAD_TOTAL
        self.is_cut = self.is_masked = False

    def cover(self, told: Told, extra: Attributes) -> Covered:
        shown, hidden = self._attributes(told.attributes)
        self.is_cut = self.is_cut or told.dropped_count > 0
        shown.update(extra)
        payload: dict[str, Any] = {}
        if hidden:
            payload["attributes"] = hidden
        if told.events:
            payload["events"] = self._events(told.events)
        if told.links:
            payload["links"] = [self._link(link) for link in told.links[:MOST_EVENTS]]
        if told.status_message:
            payload["status_message"] = self._hidden(told.status_message)
        return Covered(_ENCODE(shown), _ENCODE(payload) if payload else "", self.is_cut, self.is_masked)

    def _attributes(self, attributes: Attributes) -> tuple[Attributes, Attributes]:
        shown: Attributes = {}
        hidden: Attributes = {}
        if len(attributes) > MOST_ATTRIBUTES:
            self.is_cut = True
            attributes = dict(islice(attributes.items(), MOST_ATTRIBUTES))
        for name, value in attributes.items():
            place = _places.get(name) or place_of(name)
            # what nearly all of them are comes first
            if place is OPEN and type(value) is str and len(value) < SHORTEST_SECRET and value[:1] not in _BRACKETS:
                shown[name] = value
            elif place is SECRET:
                self.is_masked = True
                shown[name] = MASKED
            elif place is OPEN and _is_plain(value):
                shown[name] = self._without_secrets(value) if isinstance(value, str) else value
            else:
                hidden[name[:OPEN_LENGTH]] = self._hidden(value)
        return shown, hidden

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._cut(self._without_secrets(value))
        if isinstance(value, list | dict):
            text = _ENCODE(value)
            plain = self._without_secrets(text)
            if plain is text and len(text) <= min(PAYLOAD_LENGTH, self.room):
                self.room -= len(text)
                return value
            return self._cut(plain)
        return value

    def _cut(self, text: str) -> str:
        most = min(PAYLOAD_LENGTH, max(self.room, 0))
        self.room -= min(len(text), most)
        if len(text) <= most:
            return text
        self.is_cut = True
        return f"{text[:most]} … truncated: {len(text)} characters"

    def _without_secrets(self, text: str) -> str:
        if len(text) < SHORTEST_SECRET:
            return text
        small = text.lower()
        for sign in _SIGNS:
            if sign in small:
                break
        else:
            return text
        plain = _SECRET_TEXT.sub(MASKED, text)
        for members in (_SECRET_MEMBER, _SECRET_WITHIN):
            plain = members.sub(rf"\1{MASKED}", plain)
        if plain == text:
            return text
        self.is_masked = True
        return plain

    def _events(self, events: list[Event]) -> list[dict[str, Any]]:
        self.is_cut = self.is_cut or len(events) > MOST_EVENTS
        return [
            {
                "name": event.name[:OPEN_LENGTH],
                "at_ns": event.at_ns,
                "attributes": {
                    name[:OPEN_LENGTH]: MASKED if place_of(name) is SECRET else self._hidden(value)
                    for name, value in list(event.attributes.items())[:MOST_ATTRIBUTES]
                },
            }
            for event in events[:MOST_EVENTS]
        ]

    def _link(self, link: Link) -> dict[str, str]:
        return {"trace_id": link.trace_id[:32], "span_id": link.span_id[:16]}


def _is_plain(value: Any) -> bool:
    """Whether it may stand in the open: no long text, and nothing that holds texts of its own."""
    if isinstance(value, str):
        return len(value) <= OPEN_LENGTH and value[:1] not in _BRACKETS
    if isinstance(value, list):
        return len(value) <= 16 and all(isinstance(each, int | float) or _is_word(each) for each in value)
    return not isinstance(value, dict)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 64 and value[:1] not in _BRACKETS
