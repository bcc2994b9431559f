"""What of a tool's calls belongs to which class of data, read from its definition once and remembered."""

from dataclasses import dataclass
from typing import Any

from apps.core.memory import BoundedCache
from apps.registry.masking import NONE, SECRET, Classes, Cover, Marks, marks_of, masked
from apps.registry.models import Tool


@dataclass(frozen=True, slots=True)
class Shield:
    """The marks of arguments and result. `classes` are all that can be hidden of a call of this tool: for nearly every
    tool none, and then nothing is looked at.
    """

    arguments: Marks
    result: Marks
    classes: Classes

    def arguments_without(self, hidden: Classes, arguments: Any, *, cover: Cover | None = None) -> Any:
        """The arguments with these classes covered, by “masked: …” unless said otherwise."""
        if not self.classes & hidden:
            return arguments
        return masked(arguments, self.arguments, hidden, **({"cover": cover} if cover else {}))

    def result_without(self, hidden: Classes, result: Any, *, cover: Cover | None = None) -> Any:
        """The same of the result."""
        if not self.classes & hidden:
            return result
        return masked(result, self.result, hidden, **({"cover": cover} if cover else {}))


_shields: BoundedCache[str, Shield] = BoundedCache(2_000)


def shield_of(tool: Tool) -> Shield:
    """Of the definition in force: a class that is named later covers the calls of before as well."""
    return _shields.get(tool.definition_digest) or _shields.put(tool.definition_digest, _made(tool))


def _made(tool: Tool) -> Shield:
    arguments, result = marks_of(tool.input_schema), marks_of(tool.output_schema)
    classes = arguments.classes | result.classes
    if SECRET in tool.data_classes and SECRET not in classes:
        # nobody said where the secret is, so it may be in any text
        every_text = frozenset({SECRET})
        arguments = marks_of(tool.input_schema, every_text=every_text)
        result = marks_of(tool.output_schema, every_text=every_text)
        return Shield(arguments, result, classes | every_text)
    return Shield(arguments, result, classes or NONE)
