"""OpenAPI: drf-spectacular documents success only; the errors every operation can answer are added here, once."""

from typing import Any

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
EVERYWHERE = {
    "400": "Unreadable",
    "401": "Not signed in",
    "403": "Not allowed or denied",
    "405": "Wrong method",
    "422": "Invalid",
}
WITH_BODY = {"409": "Conflict", "413": "Too large", "415": "Wrong media type", "423": "Halted", "429": "Exhausted"}
WITH_CONDITION = {"412": "Changed since", "428": "Condition needed"}
OUTSIDE = {"502": "The business system failed", "503": "Unavailable"}
METHODS = {"get", "post", "put", "patch", "delete"}


def document_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Postprocessing hook: every error is `application/problem+json`."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    answer = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, item in result.get("paths", {}).items():
        for method, operation in item.items():
            if method not in METHODS:
                continue
            problems = dict(EVERYWHERE)
            problems |= {"404": "Not found, or not yours to see"} if "{" in path or method == "post" else {}
            problems |= WITH_BODY | OUTSIDE if method != "get" else {}
            problems |= WITH_CONDITION if method == "put" else {}
            problems |= {"410": "Erased"} if "/runs/{" in path else {}
            for status, description in problems.items():
                operation["responses"].setdefault(status, {"description": description, "content": answer})
    return result
