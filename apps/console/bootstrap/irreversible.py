"""What a bootstrap file lets agents do alone although it cannot be undone: told, because people will be asked."""

from collections import defaultdict
from typing import Any

from apps.policies.irreversible import permits_alone
from apps.policies.queries import tool_facts
from apps.registry.models import Tool


def warnings_on_irreversible_tools(document: dict[str, Any]) -> list[str]:
    """One sentence for each tool of the file's policies that cannot be undone and that some permit allows without
    approval. The tools are registered.
    """
    tools = [tool_facts(tool) for tool in Tool.objects.select_related("connector").order_by("name")]
    found: dict[str, list[str]] = defaultdict(list)
    for policy in document.get("policies", []):
        for tool, permit in permits_alone(policy["text"], tools):
            found[tool].append(f"“{permit}” of {policy['set']}")
    return [
        f"{tool} cannot be undone, and {', '.join(dict.fromkeys(permits))} asks nobody: what that alone allows waits"
        " for the owners of the process."
        for tool, permits in found.items()
    ]
