"""What attributes mean, in whatever dialect they were told: OpenTelemetry's GenAI names of three generations,
OpenInference, OpenLLMetry (traceloop), and the Vercel AI SDK. Read here once, at the door; nothing behind it knows
them.

For each column the names that may hold it, the present standard first: where a span speaks two dialects, that counts.
"""

from collections.abc import Mapping
from typing import Any

from apps.telemetry.models import ReportedKind

Attributes = Mapping[str, Any]

MODEL = (
    "gen_ai.response.model",
    "gen_ai.request.model",
    "ai.response.model",
    "llm.model_name",
    "embedding.model_name",
    "reranker.model_name",
    "llm.response.model",
    "llm.request.model",
    "ai.model.id",
)
PROVIDER = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
    "llm.vendor",
    "ai.model.provider",
)
INPUT_TOKENS = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
    "llm.usage.prompt_tokens",
    "ai.usage.inputTokens",
    "ai.usage.promptTokens",
    "ai.usage.tokens",
)
OUTPUT_TOKENS = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
    "llm.usage.completion_tokens",
    "ai.usage.outputTokens",
    "ai.usage.completionTokens",
)
CACHED_TOKENS = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.details.cache_read_tokens",
    "llm.token_count.prompt_details.cache_read",
    "llm.usage.cache_read_input_tokens",
    "ai.usage.cachedInputTokens",
    "ai.usage.inputTokenDetails.cacheReadTokens",
)
REASONING_TOKENS = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.details.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
    "llm.usage.reasoning_tokens",
    "ai.usage.reasoningTokens",
    "ai.usage.outputTokenDetails.reasoningTokens",
)
TOOL_NAME = ("gen_ai.tool.name", "tool.name", "ai.toolCall.name", "tool_call.function.name", "mcp.tool.name")
TOOL_CALL_REF = ("gen_ai.tool.call.id", "ai.toolCall.id", "tool_call.id", "tool.id")
TOOL_RESULT = (
    "gen_ai.tool.call.result",
    "output.value",
    "ai.toolCall.result",
    "traceloop.entity.output",
    "tool_response",
)
AGENT_NAME = ("gen_ai.agent.name", "agent.name", "agent_name", "ai.telemetry.functionId", "traceloop.entity.name")
ERROR_TYPE = ("error.type", "exception.type")

COLUMNS = {
    "model": MODEL,
    "provider": PROVIDER,
    "input_tokens": INPUT_TOKENS,
    "output_tokens": OUTPUT_TOKENS,
    "cached_tokens": CACHED_TOKENS,
    "reasoning_tokens": REASONING_TOKENS,
    "tool_name": TOOL_NAME,
    "tool_call_ref": TOOL_CALL_REF,
    "agent_name": AGENT_NAME,
    "error_type": ERROR_TYPE,
}
TOKEN_COLUMNS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
# For each name the column it may fill, and how many names go before it there.
PLACES = {name: (column, rank) for column, names in COLUMNS.items() for rank, name in enumerate(names)}

_OPERATION = "gen_ai.operation.name"
_OPENINFERENCE = "openinference.span.kind"
_TRACELOOP = "traceloop.span.kind"
_VERCEL = "ai.operationId"

_KINDS: dict[tuple[str, str], ReportedKind] = {
    **dict.fromkeys(
        [
            (_OPERATION, "chat"),
            (_OPERATION, "text_completion"),
            (_OPERATION, "completion"),
            (_OPERATION, "generate_content"),
            (_OPERATION, "embeddings"),
            (_OPERATION, "embedding"),
            (_OPENINFERENCE, "LLM"),
            (_OPENINFERENCE, "EMBEDDING"),
            (_VERCEL, "ai.generateText.doGenerate"),
            (_VERCEL, "ai.streamText.doStream"),
            (_VERCEL, "ai.generateObject.doGenerate"),
            (_VERCEL, "ai.streamObject.doStream"),
            (_VERCEL, "ai.embed.doEmbed"),
            (_VERCEL, "ai.embedMany.doEmbed"),
        ],
        ReportedKind.MODEL,
    ),
    **dict.fromkeys(
        [
            (_OPERATION, "execute_tool"),
            (_OPENINFERENCE, "TOOL"),
            (_TRACELOOP, "tool"),
            (_VERCEL, "ai.toolCall"),
            ("mcp.method.name", "tools/call"),
        ],
        ReportedKind.TOOL,
    ),
    **dict.fromkeys(
        [
            (_OPERATION, "invoke_agent"),
            (_OPERATION, "create_agent"),
            (_OPERATION, "invoke_workflow"),
            (_OPENINFERENCE, "AGENT"),
            (_TRACELOOP, "agent"),
            (_TRACELOOP, "workflow"),
            (_VERCEL, "ai.generateText"),
            (_VERCEL, "ai.streamText"),
            (_VERCEL, "ai.generateObject"),
            (_VERCEL, "ai.streamObject"),
            (_VERCEL, "ai.embed"),
            (_VERCEL, "ai.embedMany"),
        ],
        ReportedKind.TURN,
    ),
    **dict.fromkeys(
        [
            (_OPERATION, "retrieval"),
            (_OPENINFERENCE, "RETRIEVER"),
            (_OPENINFERENCE, "RERANKER"),
            ("llm.request.type", "rerank"),
        ],
        ReportedKind.RETRIEVAL,
    ),
    **dict.fromkeys([(_OPERATION, "handoff"), (_OPENINFERENCE, "HANDOFF")], ReportedKind.HANDOFF),
    **dict.fromkeys(
        [("llm.request.type", "chat"), ("llm.request.type", "completion"), ("llm.request.type", "embedding")],
        ReportedKind.MODEL,
    ),
    **dict.fromkeys(
        [(_OPENINFERENCE, kind) for kind in ("CHAIN", "GUARDRAIL", "EVALUATOR", "PROMPT")] + [(_TRACELOOP, "task")],
        ReportedKind.OTHER,
    ),
}
# No count is larger; floats hold it exactly.
MOST_TOKENS = 2**53
# The newest and most exact first.
SAID_BY = (_OPERATION, _OPENINFERENCE, _TRACELOOP, _VERCEL, "mcp.method.name", "llm.request.type")
_HANDOFF_TOOLS = ("transfer_to_", "transfer_back_to_", "handoff_to_", "hand_off_to_")
# A span that says it is one of these is nothing else, whatever else it says.
CERTAIN = frozenset({ReportedKind.TURN, ReportedKind.MODEL, ReportedKind.RETRIEVAL, ReportedKind.HANDOFF})
# What says that it is about agents at all, where nobody said what kind of step it is.
_HANDOFF_NAMES = ("gen_ai.handoff.to_agent", "gen_ai.handoff.from_agent", "handoff.to_agent", "graph.handoff.to")


def first(attributes: Attributes, names: tuple[str, ...]) -> Any:
    """What is told under the first of these names that is there."""
    for name in names:
        if name in attributes:
            return attributes[name]
    return None


def kind_said(name: str, value: Any) -> ReportedKind | None:
    """What kind of step an attribute says it is; None when it says nothing that we know."""
    if not isinstance(value, str):
        return None
    return _KINDS.get((name, value)) or _KINDS.get((name, value.upper() if name == _OPENINFERENCE else value))


def kind_of(said: ReportedKind | None, attributes: Attributes, *, is_root: bool) -> ReportedKind:
    """What kind of step it is. Spans of frameworks alone that nobody gave a kind are `other`; the root of a chain is
    the turn of its agent.
    """
    if said is ReportedKind.TOOL and str(first(attributes, TOOL_NAME) or "").startswith(_HANDOFF_TOOLS):
        return ReportedKind.HANDOFF
    if said is ReportedKind.OTHER and is_root and attributes.get(_OPENINFERENCE) == "CHAIN":
        return ReportedKind.TURN
    if said is not None:
        return said
    if first(attributes, _HANDOFF_NAMES) is not None:
        return ReportedKind.HANDOFF
    if "gen_ai.tool.name" in attributes:
        return ReportedKind.TOOL
    if ("gen_ai.request.model" in attributes or "llm.request.model" in attributes) and (
        first(attributes, INPUT_TOKENS) is not None
    ):
        return ReportedKind.MODEL
    return ReportedKind.OTHER


def tokens(value: Any) -> int | None:
    """How many tokens; None when nobody said, which is not none."""
    if type(value) is int:
        return value if 0 <= value < MOST_TOKENS else None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:18])
    if isinstance(value, float) and value == value // 1:
        value = int(value)
    return value if type(value) is int and 0 <= value < MOST_TOKENS else None


def tool_name(named: Any, attributes: Attributes, span_name: str) -> str:
    """The tool's own name as it is `named`; a span of the early conventions has it in its name alone."""
    if isinstance(named, str) and named:
        return named
    entity = attributes.get("traceloop.entity.name")
    if isinstance(entity, str) and entity:
        return entity
    return span_name.removeprefix("execute_tool ").removesuffix(".tool")


def failed_by_result(attributes: Attributes) -> bool:
    """Whether a tool's result says that it failed where its span does not: MCP's `isError`, LangChain's `status`."""
    result = first(attributes, TOOL_RESULT)
    if not isinstance(result, str) or not ('"isError"' in result or '"status"' in result):
        return False
    return _says_failed(result)


def _says_failed(result: str) -> bool:
    # not parsed: it may be megabytes, and both ways of writing it are made by machines
    plain = result[-400:].replace(" ", "")
    if '"isError":true' in plain:
        return True
    return '"type":"tool"' in result[:200].replace(" ", "") and '"status":"error"' in plain
