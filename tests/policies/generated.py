"""Rules, tools and calls at random, for the properties of what is said of policies before a call is made."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from apps.core.money import Money
from apps.policies.verdicts import CallFacts, ToolFacts
from tests.policies.builders import call, tool

PROCESS, AGENT, TEAM = "order-to-cash", "o2c-writer", "o2c-oncall"
CURRENCIES = ("EUR", "USD")
PARAMETERS: dict[str, Any] = {
    "most": {"type": "money", "value": "5.00", "currency": "EUR"},
    "calls": {"type": "long", "value": 3},
    "trusted": {"type": "strings", "value": ["o2c-writer", "blue"]},
    "strict": {"type": "bool", "value": True},
}
# Each holds, or does not, by what is known beforehand, by what is not, or by both. None of them fails.
CONDITIONS = (
    'context.effect == "write"',
    'context.environment == "production"',
    'context.data_classes.contains("financial")',
    'context.data_classes.containsAny(["customer_master", "personal"])',
    'context.data_classes.containsAll(["financial", "personal"])',
    "context.data_classes.isEmpty()",
    "context has money && context.money.currency == context.params.most.currency",
    "context has money && context.money.minor <= context.params.most.minor",
    "context has money && context.money.minor > 500",
    "context.run.calls > context.params.calls",
    "context.params.strict",
    "context.params.calls + 1 == 4",
    'context has confidence && context.confidence.lessThan(decimal("0.5"))',
    'context.arguments has color && context.arguments.color == "blue"',
    "context.arguments has color && context.params.trusted.contains(context.arguments.color)",
    "context.arguments has days",
    "context.arguments has inner && context.arguments.inner has depth && context.arguments.inner.depth > 2",
    'principal == Agent::"o2c-writer"',
    'principal in Team::"o2c-oncall"',
    'principal in [Process::"order-to-cash", Process::"other"]',
    'resource in Connector::"erp"',
    'action in [Action::"read", Action::"irreversible"]',
    'action == Action::"erp.one"',
    'context.approved_by.contains("cfo-office")',
    'context.effect like "w*e"',
    'if context.effect == "read" then context.run.calls > 1 else context.params.strict',
    "true",
    "false",
)
PRINCIPALS = (
    "principal",
    'principal == Agent::"o2c-writer"',
    'principal == Agent::"another"',
    'principal in Process::"order-to-cash"',
    'principal in Process::"other"',
    'principal in Team::"o2c-oncall"',
    "principal is Agent",
    'principal is Agent in Team::"o2c-builders"',
)
ACTIONS = (
    "action",
    'action == Action::"erp.one"',
    'action in Action::"read"',
    'action in [Action::"write", Action::"financial"]',
    'action in [Action::"erp.one", Action::"crm.two"]',
)
RESOURCES = ("resource", 'resource in Connector::"erp"', 'resource == Tool::"crm.two"', "resource is Tool")
DEMANDS = ("", "", '@approval("cfo-office:1")', '@approval("finance-approvers:2") @expires("PT8H")')

NAMES = ("erp.one", "erp.two", "crm.two")
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "color": st.sampled_from([{"type": "string"}, {"type": "integer"}]),
        "days": st.just({"type": "integer"}),
        "inner": st.sampled_from(
            [
                {"type": "object", "properties": {"depth": {"type": "integer"}}},
                {"type": "object", "required": ["depth"], "properties": {"depth": {"type": "integer"}}},
            ]
        ),
        "more": st.sampled_from([{"type": "string"}, {"type": "integer"}]),
    },
)


@st.composite
def expressions(draw: st.DrawFn, deep: int = 2) -> str:
    kind = draw(st.sampled_from(["plain", "plain", "and", "or", "not"])) if deep else "plain"
    if kind == "plain":
        return f"({draw(st.sampled_from(CONDITIONS))})"
    if kind == "not":
        return f"!{draw(expressions(deep=deep - 1))}"
    sign = "&&" if kind == "and" else "||"
    return f"({draw(expressions(deep=deep - 1))} {sign} {draw(expressions(deep=deep - 1))})"


@st.composite
def rules(draw: st.DrawFn, most: int = 5) -> str:
    texts = []
    for number in range(draw(st.integers(1, most))):
        effect = draw(st.sampled_from(["permit", "permit", "permit", "forbid"]))
        demand = draw(st.sampled_from(DEMANDS)) if effect == "permit" else ""
        head = ", ".join(draw(st.sampled_from(part)) for part in (PRINCIPALS, ACTIONS, RESOURCES))
        conditions = "".join(
            f"\n{draw(st.sampled_from(['when', 'unless']))} {{ {draw(expressions())} }}"
            for _ in range(draw(st.integers(0, 2)))
        )
        texts.append(f'@id("r{number}") @says("r{number}") {demand} {effect} ({head}){conditions};')
    return "\n".join(texts)


@st.composite
def tools(draw: st.DrawFn, name: str | None = None) -> ToolFacts:
    effect = draw(st.sampled_from(["read", "write"]))
    properties = draw(FIELDS)
    return tool(
        name or draw(st.sampled_from(NAMES)),
        effect=effect,
        is_irreversible=effect == "write" and draw(st.booleans()),
        data_classes=tuple(sorted(draw(st.sets(st.sampled_from(["financial", "personal", "customer_master"]))))),
        has_money=draw(st.booleans()),
        input_schema={
            "type": "object",
            "properties": properties,
            "required": sorted(draw(st.sets(st.sampled_from(sorted(properties))))) if properties else [],
        },
    )


@st.composite
def calls(draw: st.DrawFn, of: ToolFacts) -> CallFacts:
    """A call that fits the tool, by the agent these rules may know."""
    properties, required = of.input_schema["properties"], of.input_schema["required"]
    arguments = {
        name: draw(_values(name, schema))
        for name, schema in properties.items()
        if name in required or draw(st.booleans())
    }
    money = Money(draw(st.integers(0, 1000)), draw(st.sampled_from(CURRENCIES))) if of.has_money else None
    return call(
        tool=of,
        arguments=arguments,
        money=money,
        agent=AGENT,
        process=PROCESS,
        teams=(TEAM,),
        environment=draw(st.sampled_from(["sandbox", "production"])),
        confidence=draw(st.sampled_from([None, 0.2, 0.9])),
        run_calls=draw(st.integers(0, 6)),
        approved_by=draw(st.sampled_from([(), ("cfo-office",)])),
        owner_team=draw(st.sampled_from(["o2c-builders", None])),
    )


def _values(name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if name == "inner":
        inner = st.fixed_dictionaries({"depth": st.integers(0, 5)})
        return inner if schema.get("required") else inner | st.just({})
    return st.sampled_from(["blue", "red", "o2c-writer"]) if schema["type"] == "string" else st.integers(-3, 3)
