"""Values that are marked, looked for in words in which an agent may have repeated them."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from apps.gateway.models import ToolCall
from apps.registry.masking import SECRET, Classes, Cover, mask_of
from apps.registry.shields import shield_of
from apps.vault import services as vault

# A shorter text stands in too many others to be looked for.
SHORTEST_QUOTE = 4
MOST_QUOTES = 200
MOST_CALLS = 500


class Quotes:
    """Marked values as texts. `classes` is what a text belongs to where it cannot be told."""

    def __init__(self, classes: Classes) -> None:
        self.classes = classes
        self._texts: dict[str, Classes] = {}

    def add(self, classes: Classes, value: Any) -> None:
        for text in _texts_in(value):
            if len(text) >= SHORTEST_QUOTE:
                self._texts[text] = self._texts.get(text, frozenset()) | classes

    def without(self, document: Any, cover: Cover) -> Any:
        """The document with a cover wherever one of its texts repeats a marked value."""
        if isinstance(document, str):
            return self._without(document, cover)
        if isinstance(document, dict):
            return {name: self.without(part, cover) for name, part in document.items()}
        return [self.without(part, cover) for part in document] if isinstance(document, list) else document

    def _without(self, text: str, cover: Cover) -> str:
        if not text or not self._texts:
            return text
        if len(self._texts) > MOST_QUOTES:
            return str(cover(self.classes, text))
        longest_first = sorted(self._texts, key=len, reverse=True)
        quoted = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
        folded = {quote.lower(): classes for quote, classes in self._texts.items()}
        return quoted.sub(lambda found: str(cover(folded.get(found[0].lower(), self.classes), found[0])), text)


def without_secrets(calls: Iterable[ToolCall], document: Any) -> Any:
    """The document without what is secret in arguments and results of these calls, whose tools are at hand. Where they
    are too many to be looked through, its texts are covered as a whole.
    """
    secret = frozenset({SECRET})
    quotes = Quotes(secret)
    marked = [call for call in calls if SECRET in shield_of(call.tool).classes]
    if not marked:
        return document
    if len(marked) > MOST_CALLS:
        return _covered(document)
    bodies = vault.read_many([payload for call in marked for payload in (call.request_id, call.result_id)])

    def keep(classes: Classes, value: Any) -> str:
        quotes.add(classes, value)
        return mask_of(classes)

    for call in marked:
        shield = shield_of(call.tool)
        shield.arguments_without(secret, (bodies.get(call.request_id) or {}).get("arguments"), cover=keep)
        if call.result_id is not None:
            shield.result_without(secret, bodies.get(call.result_id), cover=keep)
    return quotes.without(document, lambda classes, _: mask_of(classes))


def _covered(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: _covered(part) for name, part in document.items()}
    if isinstance(document, list):
        return [_covered(part) for part in document]
    return mask_of(frozenset({SECRET})) if isinstance(document, str) else document


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield str(name)
            yield from _texts_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts_in(part)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
