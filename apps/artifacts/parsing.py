"""Bodies that are files."""

from typing import Any

from rest_framework.parsers import BaseParser


class FileParser(BaseParser):
    """Any media type: the body itself, which nobody has read yet."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return {}
