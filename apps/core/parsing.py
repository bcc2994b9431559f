"""Reading JSON bodies."""

import json
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


class ExactJSONParser(BaseParser):
    """JSON that means the same to every reader: no name twice, no NaN, no depth that breaks one of them."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return json.loads(stream.read().decode(), object_pairs_hook=_each_name_once, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise ParseError from None


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
