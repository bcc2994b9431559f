"""Tools whose fields are marked, made as people make them: by a new definition."""

from copy import deepcopy
from typing import Any

from apps.core.actor import system_actor
from apps.registry.definitions import definition_of
from apps.registry.models import Tool
from apps.registry.services import register_tool

MEMO = "erp.issue_credit_memo"
# What `tests.conftest.credit` puts into the field that is marked; it stands in the sentence of every memo.
MARKER = "C-204"


def mark(tool: str = MEMO, *, also: dict[str, Any] | None = None, **classes: str) -> Tool:
    """The tool with these arguments marked, and with other parts of its definition where `also` names some."""
    row = Tool.objects.select_related("connector").get(name=tool)
    definition = deepcopy(definition_of(row)) | (also or {})
    for name, data_class in classes.items():
        definition["input_schema"]["properties"][name]["x-data-class"] = data_class
    return register_tool(definition=definition, actor=system_actor("tests"))
