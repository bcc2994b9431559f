"""What a decision costs in the process that makes it: 200 policies with parameters, split over the global set and the
set of one process, asked about calls of fourteen tools.

./console bench policy_decisions [--policies 200] [--rounds 200]

Exits with 1 when the median is above its limit. It is the function the gateway asks, with releases, schemas and
entities as warm as they are after the first calls of a process.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.core.canonical import digest
from apps.core.money import Money
from apps.policies.evaluation import LoadedRelease, content_hash, decide, load_release
from apps.policies.verdicts import CallFacts, ReleaseRef, ToolFacts
from meshconsole.local.terminal import complain, say

POLICIES, LIMIT_MS = 200, 0.5
# Of every ten policies two stand in the global set, as forbids over groups and classes of data.
GLOBAL_SHARE = 0.2
WARM_UP_ROUNDS = 3
CONNECTORS = ("erp", "crm", "shop", "mail", "bank")
CLASSES = ("customer_master", "financial", "health", "contracts")
AMOUNTS = ("12.00", "480.00", "612.50", "2400.00", "9000.00")

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["reference", "customer_id", "reason_code"],
    "properties": {
        "reference": {"type": "string"},
        "customer_id": {"type": "string"},
        "reason_code": {"enum": ["price_mismatch", "goodwill", "duplicate", "returned"]},
        "amount": {"type": "string"},
        "note": {"type": "string"},
        "days": {"type": "integer"},
        "rate": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "ship_to": {
            "type": "object",
            "required": ["country"],
            "properties": {"country": {"type": "string"}, "city": {"type": "string"}},
        },
    },
}
ALONE = """\
@id("alone-{n}") @says("Small acts with this tool need nobody, rule {n}")
permit (principal in Process::"order-to-cash", action == Action::"{tool}", resource)
when {{
  context.money.currency == context.params.alone_{k}.currency
  && context.money.minor <= context.params.alone_{k}.minor
  && context.arguments.reason_code == "{reason}"
}};
"""
ASKED = """\
@id("asked-{n}") @says("Larger acts with this tool need somebody, rule {n}")
@approval("finance-approvers:1") @expires("PT8H")
permit (principal in Process::"order-to-cash", action == Action::"{tool}", resource in Connector::"{connector}")
when {{
  context.money.currency == context.params.alone_{k}.currency
  && context.money.minor > context.params.alone_{k}.minor
  && context.arguments.reason_code == "{reason}"
}};
"""
READ = """\
@id("read-{n}") @says("Agents of this process read this system, rule {n}")
permit (principal in Process::"order-to-cash", action in Action::"read", resource in Connector::"{connector}")
when {{ context.arguments.ship_to.country != "{n}" }};
"""
OWN_FORBID = """\
@id("never-{n}") @says("Not for old cases, rule {n}")
forbid (principal, action == Action::"{tool}", resource)
when {{ context.arguments has days && context.arguments.days > context.params.days + {n} }};
"""
GLOBAL_FORBIDS = (
    """\
@id("class-{n}") @says("No agent writes data of this class, rule {n}")
forbid (principal, action in Action::"write", resource in Connector::"{connector}")
when {{ context.data_classes.contains("{klass}-{n}") }};
""",
    """\
@id("steps-{n}") @says("A run that makes more calls than this has lost its way, rule {n}")
forbid (principal, action in Action::"financial", resource)
when {{ context.run.calls > context.params.calls + {n} }};
""",
    """\
@id("unsure-{n}") @says("No write by an agent that is not sure, rule {n}")
forbid (principal in Team::"team-{k}", action in Action::"write", resource)
when {{ context has confidence && context.confidence.lessThan(decimal("0.{k}")) }};
""",
    """\
@id("agent-{n}") @says("This agent does nothing there, rule {n}")
forbid (principal == Agent::"agent-{n}", action, resource in Connector::"{connector}");
""",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds each decision took, and how often each outcome came."""

    seconds: tuple[float, ...]
    outcomes: Counter[str]

    def percentile_ms(self, percent: int) -> float:
        return statistics.quantiles(self.seconds, n=100)[percent - 1] * 1_000


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./console bench policy_decisions", allow_abbrev=False)
    parser.add_argument("--policies", type=int, default=POLICIES, help="how many, in both sets together")
    parser.add_argument("--rounds", type=int, default=200, help="how often each call is decided")
    options = parser.parse_args(arguments)
    releases, calls = world(options.policies), tuple(calls_of(TOOLS))
    if unreadable := [release.problem for release in releases if release.problem]:
        complain(unreadable[0])
        return 1
    measured = measure(releases, calls, rounds=options.rounds)
    say(
        f"{options.policies} policies in {len(releases)} sets, {len(calls)} calls of {len(TOOLS)} tools, "
        f"{len(measured.seconds):,} decisions: p50 {measured.percentile_ms(50):.3f} ms, "
        f"p99 {measured.percentile_ms(99):.3f} ms."
    )
    say(", ".join(f"{outcome}: {count:,}" for outcome, count in sorted(measured.outcomes.items())))
    if measured.percentile_ms(50) > LIMIT_MS:
        complain(f"the median is above its limit of {LIMIT_MS} ms.")
        return 1
    return 0


def measure(releases: tuple[LoadedRelease, ...], calls: tuple[CallFacts, ...], *, rounds: int) -> Measured:
    """Decide every call so many times, in turns."""
    for facts in calls * WARM_UP_ROUNDS:
        decide(facts, releases)
    seconds, outcomes = [], Counter[str]()
    for facts in itertools.chain.from_iterable(itertools.repeat(calls, rounds)):
        start = time.perf_counter()
        verdict = decide(facts, releases)
        seconds.append(time.perf_counter() - start)
        outcomes[verdict.outcome] += 1
    return Measured(tuple(seconds), outcomes)


def world(count: int) -> tuple[LoadedRelease, ...]:
    """The global release and that of the process, `count` policies together."""
    in_global = max(1, round(count * GLOBAL_SHARE))
    money = {
        f"alone_{k}": {"type": "money", "value": f"{250 * (k + 1)}.00", "currency": "EUR", "label": f"Alone {k}"}
        for k in range(8)
    }
    days = {"days": {"type": "long", "value": 60, "label": "Days"}}
    calls = {"calls": {"type": "long", "value": 400, "label": "Calls"}}
    return (
        _release("global", itertools.islice(_global_policies(), in_global), calls),
        _release("order-to-cash", itertools.islice(_own_policies(), count - in_global), money | days),
    )


def _release(name: str, policies: Iterator[str], parameters: dict[str, Any]) -> LoadedRelease:
    text = "\n".join(policies)
    ref = ReleaseRef(name, 1, content_hash(text, parameters))
    return load_release(ref, text=text, parameters=parameters)


def _global_policies() -> Iterator[str]:
    for n in itertools.count():
        yield GLOBAL_FORBIDS[n % len(GLOBAL_FORBIDS)].format(
            n=n, k=n % 7 + 1, connector=CONNECTORS[n % len(CONNECTORS)], klass=CLASSES[n % len(CLASSES)]
        )


def _own_policies() -> Iterator[str]:
    reasons = SCHEMA["properties"]["reason_code"]["enum"]
    paying = [tool for tool in TOOLS if tool.has_money]
    for n in itertools.count():
        tool = paying[n // 3 % len(paying)]
        template = READ if n % 13 == 0 else (ALONE, ASKED, OWN_FORBID)[n % 3]
        yield template.format(
            n=n, k=n % 8, tool=tool.name, connector=tool.connector, reason=reasons[n // 3 // len(paying) % len(reasons)]
        )


def _tool(number: int) -> ToolFacts:
    connector = CONNECTORS[number % len(CONNECTORS)]
    writes = number % 3 != 0
    values: dict[str, Any] = {
        "name": f"{connector}.act_{number}",
        "connector": connector,
        "effect": "write" if writes else "read",
        "is_irreversible": number % 7 == 5,
        "data_classes": ("financial",) if writes else ("customer_master",),
        "has_money": writes,
        "input_schema": SCHEMA,
    }
    return ToolFacts(**values, definition_digest=digest(json.loads(json.dumps(values))))


TOOLS = tuple(_tool(number) for number in range(14))


def calls_of(tools: tuple[ToolFacts, ...]) -> Iterator[CallFacts]:
    """Five calls of each tool, some with arguments that may be absent."""
    for tool, (n, amount) in itertools.product(tools, enumerate(AMOUNTS)):
        optional = {"days": 20 + 15 * n, "note": "As agreed on the telephone", "tags": ["late", "b2b"]} if n % 2 else {}
        arguments = {
            "reference": f"INV-{1000 + n}",
            "customer_id": f"C-{n}",
            "reason_code": SCHEMA["properties"]["reason_code"]["enum"][n % 4],
            "amount": amount,
            "ship_to": {"country": "DE", "city": "Kiel"},
        }
        yield CallFacts(
            agent=f"o2c-{n % 3}",
            process="order-to-cash",
            teams=("o2c-oncall",),
            tool=tool,
            environment="production",
            arguments=arguments | optional,
            money=Money.parse(amount, "EUR") if tool.has_money else None,
            confidence=Decimal("0.93"),
            run_steps=3,
            run_calls=3,
            run_cost_minor=0,
            owner_team="o2c-oncall" if tool.is_irreversible else None,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
