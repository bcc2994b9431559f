"""One attribute as it was told: what it means, where it belongs, and how it is written there.

Most attributes of a request are in many of its spans with the same bytes. Each is read once.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

from django.db.models import CharField

from apps.telemetry import copying, dialects, secrets
from apps.telemetry.models import Mark, ReportedKind, ReportedSpan
from apps.telemetry.otlp import read_attributes
from apps.telemetry.secrets import MASKED

# An attribute in the open is a code, a name or a count. What is longer is text that somebody wrote.
OPEN_LENGTH = 256
PAYLOAD_LENGTH = 32 * 1024

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
# What a JSON document begins with.
_BRACKETS = frozenset("{[")
_TRUNCATED, _MASKED = Mark.TRUNCATED.value, Mark.MASKED.value
_DOCUMENTS = json.JSONEncoder(separators=(",", ":"), default=str)


class Attribute(NamedTuple):
    """Either `shown` or `hidden` is its member of a JSON object, and the other is "": in the open, or in payload, of
    whose room it takes `size`. `cell`: what it says for a column; `kind`: what kind of step it says the span is.
    """

    name: str
    value: Any
    shown: str
    hidden: str
    size: int
    marks: int
    cell: bytes
    kind: ReportedKind | None


class Name(NamedTuple):
    """What is known of an attribute by its name alone. `member` is what its member of a JSON object begins with, `cell`
    writes its value for the column.
    """

    member: str
    is_secret: bool
    is_payload: bool
    says_kind: bool
    # a text that is shorter is not cut; nor, if it is no secret, is anything else done to it
    plain_length: int
    cell: Callable[[Any], bytes] | None


class Attributes(dict[bytes, Attribute]):
    """Those of one request, by the bytes they came in. Raises BadRequest where such bytes are no attribute."""

    def __init__(self, *, may_hold_secrets: bool) -> None:
        super().__init__()
        self._may_hold_secrets = may_hold_secrets
        # whether something had to be done to any of them
        self.are_marked = False

    def __missing__(self, told: bytes) -> Attribute:
        self.read((told,))
        return self[told]

    def read(self, told: Iterable[bytes]) -> None:
        """All of these. In one loop, because a function for each would take as long as what it does."""
        is_searched = self._may_hold_secrets
        for one, name, value in read_attributes(told):
            known = _names.get(name) or known_of(name)
            shown = hidden = ""
            size = marks = 0
            if type(value) is str and len(value) < known.plain_length and not is_searched:
                # what nearly all are: nothing has to be done to it
                member = known.member + json_of_text(value)
                if known.is_payload or len(value) > OPEN_LENGTH or value[:1] in _BRACKETS:
                    hidden, size = member, len(value)
                else:
                    shown = member
            elif known.is_secret:
                value, marks = MASKED, _MASKED
                shown = known.member + json_of_text(value)
            elif known.is_payload or not _may_be_shown(value):
                document, size, marks = self.payload(value)
                hidden = known.member + document
            else:
                text = self._without_secrets(value) if type(value) is str else value
                shown, marks = known.member + json_of(text), 0 if text is value else _MASKED
            if marks:
                self.are_marked = True
            cell = known.cell(value) if known.cell else b""
            kind = dialects.kind_said(name, value) if known.says_kind else None
            self[one] = Attribute(name, value, shown, hidden, size, marks, cell, kind)

    def payload(self, value: Any, most: int = PAYLOAD_LENGTH) -> tuple[str, int, int]:
        """(a value as JSON of at most so many characters, how many of them count, what was done to it)"""
        if type(value) is str:
            text = self._without_secrets(value)
        elif isinstance(value, list | dict):
            value = json_of(value)
            # what the body was asked is not what an array or object looks like
            text = secrets.without(value)
            if text is value and len(text) <= most:
                return text, len(text), 0
        else:
            return json_of(value), 0, 0
        marks = 0 if text is value else _MASKED
        if len(text) <= most:
            return json_of_text(text), len(text), marks
        return json_of_text(f"{text[:most]} … truncated: {len(text)} characters"), most, marks | _TRUNCATED

    def _without_secrets(self, text: str) -> str:
        return secrets.without(text) if self._may_hold_secrets else text


json_of_text = json.encoder.encode_basestring_ascii


def json_of(value: Any) -> str:
    """JSON without blanks. Counts are written at once: the encoder takes its time to begin."""
    return repr(value) if type(value) is int else _DOCUMENTS.encode(value)


def _writer(column: str) -> Callable[[Any], bytes]:
    if column in dialects.TOKEN_COLUMNS:
        return lambda value: copying.number(dialects.tokens(value))
    most = cast("CharField[str, str]", ReportedSpan._meta.get_field(column)).max_length
    return lambda value: copying.text(value, most)


_WRITERS = {column: _writer(column) for column in dialects.COLUMNS}
# What is known of names that were met before; programs use few, but nothing keeps them from making up more.
_names: dict[str, Name] = {}
MOST_NAMES = 8192


def known_of(name: str) -> Name:
    """What is known of an attribute of this name."""
    column, _ = dialects.PLACES.get(name, ("", 0))
    is_secret = secrets.is_name_of_secret(name)
    known = Name(
        member=f"{json_of_text(name[:OPEN_LENGTH])}:",
        is_secret=is_secret,
        is_payload=len(name) > OPEN_LENGTH or _PAYLOAD.match(name) is not None,
        says_kind=name in dialects.SAID_BY,
        plain_length=0 if is_secret else PAYLOAD_LENGTH,
        cell=_WRITERS.get(column),
    )
    if len(_names) < MOST_NAMES and len(name) <= OPEN_LENGTH:
        _names[name] = known
    return known


def _may_be_shown(value: Any) -> bool:
    """Whether it may stand in the open: no long text, and nothing that holds texts of its own."""
    if isinstance(value, str):
        return len(value) <= OPEN_LENGTH and value[:1] not in _BRACKETS
    if isinstance(value, list):
        return len(value) <= 16 and all(isinstance(each, int | float) or _is_word(each) for each in value)
    return not isinstance(value, dict)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 64 and value[:1] not in _BRACKETS
