"""How much a call may carry: depth, number of parts and longest text of arguments and results, and the size of an
answer. One pass over what is there; most arguments are a handful of plain values, and cost next to nothing.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from apps.core.errors import ConnectorError, Invalid
from apps.registry.definitions import MOST_RESULT_BYTES
from apps.registry.models import Tool
from apps.registry.schemas import pointer_of
from apps.vault import services as vault

RESULT = "call.result"
# The kind of a result that was not kept; behind the colon stands why.
WITHHELD = "call.withheld:"


@dataclass(frozen=True, slots=True)
class Excess:
    """What is too much, and where."""

    code: str
    sentence: str
    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Withheld:
    """Stands for a result that was too much to keep. The effect happened all the same."""

    reason: str


def check_content(arguments: dict[str, Any]) -> None:
    """Raise Invalid (422) with a pointer when the arguments carry more than is allowed."""
    excess = excess_of(arguments)
    if excess is not None:
        errors = [{"pointer": pointer_of(excess.path), "sentence": excess.sentence}]
        sentence = f"The arguments carry too much. {excess.sentence}"
        raise Invalid("arguments_too_large", sentence, errors=errors, reason=excess.code)


def excess_of(document: Any) -> Excess | None:
    """The first thing in the document that is too much: `too_deep`, `too_many_items` or `text_too_long`."""
    return None if _fits(document) else _first_excess(document)


def _fits(document: Any) -> bool:
    """Whether nothing is: the quick pass, which remembers no places."""
    most_text, left, depth = settings.CONTENT_MAX_TEXT, settings.CONTENT_MAX_ITEMS, settings.CONTENT_MAX_DEPTH
    level: list[Any] = [[document]]
    while level:
        below: list[Any] = []
        for holder in level:
            for value in holder.values() if type(holder) is dict else holder:
                kind = type(value)
                if kind is str:
                    if len(value) > most_text:
                        return False
                elif kind is dict or kind is list:
                    left -= len(value)
                    if left < 0 or (kind is dict and max(map(len, value), default=0) > most_text):
                        return False
                    below.append(value)
        if below and depth <= 0:
            return False
        depth -= 1
        level = below
    return True


def _first_excess(document: Any) -> Excess | None:
    most_text = settings.CONTENT_MAX_TEXT
    level: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    count = depth = 0
    while level:
        below: list[tuple[tuple[str | int, ...], Any]] = []
        for path, value in level:
            if isinstance(value, str):
                if len(value) > most_text:
                    return Excess("text_too_long", f"A text has at most {most_text:,} characters here.", path)
            elif isinstance(value, dict | list):
                count += len(value)
                if count > settings.CONTENT_MAX_ITEMS:
                    sentence = f"There are at most {settings.CONTENT_MAX_ITEMS:,} members and elements in all."
                    return Excess("too_many_items", sentence, path)
                if isinstance(value, dict) and any(len(name) > most_text for name in value):
                    return Excess("text_too_long", f"A name has at most {most_text:,} characters here.", path)
                below += [
                    ((*path, step), part)
                    for step, part in (value.items() if isinstance(value, dict) else enumerate(value))
                    if isinstance(part, str | dict | list)
                ]
        depth += 1
        if depth >= settings.CONTENT_MAX_DEPTH and any(isinstance(value, dict | list) for _, value in below):
            sentence = f"Objects and lists stand at most {settings.CONTENT_MAX_DEPTH} deep in each other."
            return Excess("too_deep", sentence, next(path for path, value in below if isinstance(value, dict | list)))
        level = below
    return None


def most_result_bytes(tool: Tool) -> int:
    """How large an answer of this tool may be."""
    return min(tool.max_result_bytes or settings.RESULT_MAX_BYTES, MOST_RESULT_BYTES)


def result_or_withheld(tool: Tool, result: Any) -> Any:
    """The result, or what stands for one that carries too much. Raises ConnectorError for a read, which then has
    nothing to show for it.
    """
    excess = excess_of(result)
    return result if excess is None else withheld(tool, excess.code, excess.sentence)


def too_large(tool: Tool) -> Withheld:
    """A good answer that was larger than may be read. Raises ConnectorError for a read."""
    return withheld(tool, "too_large", f"It is larger than {most_result_bytes(tool):,} bytes.")


def withheld(tool: Tool, reason: str, sentence: str) -> Withheld:
    if tool.is_read:
        sentence = f"The answer of {tool.connector.name} carries too much. {sentence}"
        raise ConnectorError("connector.answer_too_large", sentence, effect="unknown", permanent=True)
    return Withheld(reason)


def result_document(body: Any) -> vault.Document:
    """What the vault keeps of an end: the result, or that it was withheld."""
    if isinstance(body, Withheld):
        return vault.Document(kind=WITHHELD + body.reason, body=None)
    return vault.Document(kind=RESULT, body=body)


def told_of(body: Any) -> dict[str, str]:
    """For the log: why there is no result to a success."""
    return {"result_withheld": body.reason} if isinstance(body, Withheld) else {}


def why_withheld(kind: str) -> str | None:
    """The reason behind a stored result of this kind; None for one that is there."""
    return kind.removeprefix(WITHHELD) if kind.startswith(WITHHELD) else None
