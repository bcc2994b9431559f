"""Arguments that came back with masks in them: who edits a call does not write a mask over what they were not shown."""

from collections.abc import Iterator
from typing import Any

from apps.core.errors import Invalid
from apps.registry.masking import MASK, Marks, Place
from apps.registry.models import Tool
from apps.registry.schemas import pointer_of
from apps.registry.shields import shield_of

Path = tuple[str | int, ...]
ABSENT: Any = object()


def with_masks_undone(tool: Tool, arguments: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The arguments with each mask replaced by what stands behind it in `before`. Raises Invalid with a pointer where
    that cannot be told: in a list that was changed, the third element may be another than it was.
    """
    shield = shield_of(tool)
    if not shield.classes:
        return arguments
    lost: list[Path] = []
    restored = _Undoing(shield.arguments, lost).of(arguments, before, shield.arguments.place([tool.input_schema]), ())
    if lost:
        errors = [{"pointer": pointer_of(path), "sentence": "This is a mask, not a value."} for path in lost]
        raise Invalid("edit.masked_value", "A masked value cannot be moved or made anew.", errors=errors)
    return dict(restored)


class _Undoing:
    def __init__(self, marks: Marks, lost: list[Path]) -> None:
        self.marks, self.lost = marks, lost

    def of(self, value: Any, before: Any, place: Place, path: Path) -> Any:
        if isinstance(value, str):
            return self._of_text(value, before, place, path)
        if isinstance(value, dict):
            known = before if isinstance(before, dict) else {}
            return {
                name: self.of(part, known.get(name, ABSENT), self.marks.member(place, name), (*path, name))
                for name, part in value.items()
            }
        if isinstance(value, list):
            return self._of_list(value, before, place, path)
        return value

    def _of_text(self, text: str, before: Any, place: Place, path: Path) -> Any:
        if not text.startswith(MASK) or not (place.own or place.within or self.marks.every_text):
            return text
        if before is ABSENT:
            self.lost.append(path)
            return text
        return before

    def _of_list(self, value: list[Any], before: Any, place: Place, path: Path) -> list[Any]:
        known = before if isinstance(before, list) and len(before) == len(value) else [ABSENT] * len(value)
        restored = [
            self.of(part, was, self.marks.element(place, index), (*path, index))
            for index, (part, was) in enumerate(zip(value, known, strict=True))
        ]
        if restored != value and restored != before:
            self.lost += _masks_in(value, path)
        return restored


def _masks_in(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, str) and value.startswith(MASK):
        yield path
    elif isinstance(value, dict | list):
        for step, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _masks_in(part, (*path, step))
