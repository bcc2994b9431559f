"""JSON Pointers (RFC 6901) into arguments and results."""

from typing import Any


def resolve(document: Any, pointer: str) -> Any:
    """The value at `pointer`; None where the path leads nowhere. "" and "/" both mean the whole document."""
    if pointer in ("", "/"):
        return document
    value = document
    for token in pointer.removeprefix("/").split("/"):
        token = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and token.isdigit() and int(token) < len(value):
            value = value[int(token)]
        else:
            return None
    return value
