"""Test cases that stand with a set: a call, and what the set has to answer. Pure.

A case is decided by its set alone, together with the rule about what cannot be undone: what another set says beside it
may change tomorrow and would change the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import jsonschema_rs
from babel.numbers import get_currency_precision

from apps.core.errors import Invalid
from apps.core.money import Money, format_money
from apps.policies.arguments import RecordOf, Scalar, SetOf, Shape
from apps.policies.bounds import Comparison, comparison_of, facts_of
from apps.policies.cedar_text import TextError
from apps.policies.evaluation import LoadedRelease, content_hash, decide, load_release
from apps.policies.obligations import parse_duration
from apps.policies.reading import ReadPolicy, read_set
from apps.policies.schema import argument_shape
from apps.policies.sentences import CURRENCY, MINOR
from apps.policies.verdicts import CallFacts, Obligations, ReleaseRef, ToolFacts, Verdict

MOST_CASES = 500
MOST_GENERATED = 60
TOOLS_PER_RULE = 3
_TEXT = {"type": "string", "maxLength": 200}
_COUNT = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}

SHAPE: dict[str, Any] = {
    "type": "array",
    "maxItems": MOST_CASES,
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "call", "expect"],
        "properties": {
            "name": {**_TEXT, "minLength": 1},
            "call": {
                "type": "object",
                "additionalProperties": False,
                "required": ["tool"],
                "properties": {
                    "tool": _TEXT,
                    "agent": _TEXT,
                    "environment": {"enum": ["sandbox", "staging", "production"]},
                    "amount": _TEXT,
                    "currency": _TEXT,
                    "arguments": {"type": "object"},
                    "confidence": {"type": "string", "pattern": "^(0(\\.[0-9]{1,4})?|1(\\.0{1,4})?)$"},
                    "region": _TEXT,
                    "customer_tier": _TEXT,
                    "run": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"steps": _COUNT, "calls": _COUNT, "cost_minor": _COUNT},
                    },
                    "approved_by": {"type": "array", "items": _TEXT, "maxItems": 20},
                },
            },
            "expect": {
                "type": "object",
                "additionalProperties": False,
                "required": ["outcome"],
                "properties": {
                    "outcome": {"enum": ["allow", "deny", "require_approval"]},
                    "approval": _TEXT,
                    "expires": _TEXT,
                    "policies": {"type": "array", "items": _TEXT, "maxItems": 50},
                },
            },
        },
    },
}
_validator = jsonschema_rs.validator_for(SHAPE)

Case = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """What cases are tried on: the tools, the agents with their process and teams, and each process's owners.
    `process` is that of the set, "" for the global one.
    """

    tools: Mapping[str, ToolFacts]
    agents: Mapping[str, tuple[str, tuple[str, ...]]]
    owners: Mapping[str, str]
    process: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """How one case went. `problem` is "" where the set answered as expected."""

    name: str
    problem: str
    answer: str

    @property
    def passed(self) -> bool:
        return not self.problem

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "passed": self.passed, "problem": self.problem, "answer": self.answer}


def case_problems(cases: Any) -> list[dict[str, str]]:
    """[{"pointer", "sentence"}] of what is wrong with the form of a list of cases."""
    problems = [
        {"pointer": "".join(f"/{step}" for step in error.instance_path), "sentence": error.message[:200]}
        for error in _validator.iter_errors(cases)
    ]
    if problems:
        return problems
    names = [case["name"] for case in cases]
    return [
        {"pointer": f"/{position}/name", "sentence": f"There are two cases called “{name}”."}
        for position, name in enumerate(names)
        if name in names[:position]
    ]


def run_cases(text: str, parameters: Mapping[str, Any], cases: Sequence[Case], bench: Bench) -> tuple[Result, ...]:
    """Every case, in order."""
    loaded = _loaded(text, parameters)
    return tuple(_run(case, loaded, bench) for case in cases)


def boundary_cases(text: str, parameters: Mapping[str, Any], bench: Bench) -> list[dict[str, Any]]:
    """Cases at, one below and one above each threshold that rules compare amounts or counts of the run with. What they
    expect is what the set answers now: they hold what is true today, and a person decides whether it should be.
    """
    try:
        read = read_set(text, parameters)
    except TextError:
        return []
    loaded = _loaded(text, parameters)
    made: dict[str, dict[str, Any]] = {}
    for policy in read.policies:
        for conjuncts in policy.alternatives:
            found = (comparison_of(node, read.parameters) for node, _ in conjuncts)
            compared = [comparison for comparison in found if comparison is not None]
            currencies = sorted(facts_of(conjuncts, read.parameters).texts.get(CURRENCY, frozenset()))
            for case in _around(policy, compared, currencies, bench):
                if case["name"] not in made and len(made) < MOST_GENERATED:
                    made[case["name"]] = case | {"expect": _expectation(case, loaded, bench)}
    return list(made.values())


def _loaded(text: str, parameters: Mapping[str, Any]) -> LoadedRelease:
    plain = dict(parameters)
    return load_release(ReleaseRef("tested", 0, content_hash(text, plain)), text=text, parameters=plain)


def _run(case: Case, loaded: LoadedRelease, bench: Bench) -> Result:
    try:
        verdict = decide(_facts(case["call"], bench), [loaded])
        problem = _difference(case["expect"], verdict)
    except (Invalid, ValueError) as error:
        return Result(case["name"], getattr(error, "sentence", str(error)), "")
    return Result(case["name"], problem, answer_words(verdict))


def answer_words(verdict: Verdict) -> str:
    """“require_approval: finance-approvers:1, by credit-finance”."""
    chain = chain_text(verdict.obligations)
    rules = ", ".join(ref.id for ref in verdict.policies)
    said = verdict.outcome + (f": {chain}" if chain else "") + (f", by {rules}" if rules else "")
    return f"{said}. {' '.join(verdict.errors)}".strip() if verdict.errors else said


def chain_text(obligations: Obligations) -> str:
    """The stages as `@approval` writes them."""
    return ", ".join(f"{stage.team}:{stage.quorum}" for stage in obligations.stages)


def _difference(expect: Mapping[str, Any], verdict: Verdict) -> str:
    chain = chain_text(verdict.obligations)
    if expect["outcome"] != verdict.outcome:
        return f"Expected {expect['outcome']}, and it is {answer_words(verdict)}."
    if "approval" in expect and _plain(expect["approval"]) != _plain(chain):
        return f"Expected the approval “{expect['approval']}”, and it is “{chain}”."
    if "expires" in expect and parse_duration(expect["expires"]) != verdict.obligations.expires_seconds:
        return f"Expected {expect['expires']} to decide, and it is {verdict.obligations.expires_seconds} seconds."
    rules = [ref.id for ref in verdict.policies]
    if "policies" in expect and sorted(expect["policies"]) != sorted(rules):
        return (
            f"Expected {', '.join(expect['policies']) or 'no rule'} to decide, and it was {', '.join(rules) or 'none'}."
        )
    return ""


def _plain(chain: str) -> str:
    return chain.replace(" ", "")


def _facts(call: Mapping[str, Any], bench: Bench) -> CallFacts:
    """Raises ValueError with a sentence for what does not exist."""
    tool = bench.tools.get(call["tool"])
    if tool is None:
        raise ValueError(f"There is no tool “{call['tool']}”.")
    agent = call.get("agent") or _any_agent(bench)
    if agent not in bench.agents:
        raise ValueError(f"There is no agent “{agent}”." if agent else "There is no agent to make the call; name one.")
    process, teams = bench.agents[agent]
    money = Money.parse(call["amount"], call.get("currency")) if "amount" in call else None
    run, confidence = call.get("run", {}), call.get("confidence")
    return CallFacts(
        agent=agent,
        process=process,
        teams=teams,
        tool=tool,
        environment=call.get("environment", "production"),
        arguments=_example(argument_shape(tool).record, tool.input_schema) | call.get("arguments", {}),
        money=money,
        confidence=None if confidence is None else Decimal(confidence),
        run_steps=run.get("steps", 0),
        run_calls=run.get("calls", 0),
        run_cost_minor=run.get("cost_minor", 0),
        approved_by=tuple(call.get("approved_by", ())),
        region=call.get("region"),
        customer_tier=call.get("customer_tier"),
        owner_team=bench.owners.get(process, "") if tool.is_irreversible else None,
    )


def _any_agent(bench: Bench) -> str:
    own = sorted(name for name, (process, _) in bench.agents.items() if bench.process in ("", process))
    return own[0] if own else ""


def _example(shape: Shape, schema: Any) -> Any:
    """The least that fits: required fields alone, the first of what may be chosen."""
    stored = schema if isinstance(schema, Mapping) else {}
    if isinstance(shape, RecordOf):
        properties = stored.get("properties")
        inner: Mapping[str, Any] = properties if isinstance(properties, Mapping) else {}
        return {field.name: _example(field.shape, inner.get(field.name)) for field in shape.fields if field.is_required}
    if isinstance(shape, SetOf):
        return []
    choices = stored.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    return {"String": "example", "Long": 1, "Boolean": False}[shape.kind] if isinstance(shape, Scalar) else None


def _around(
    policy: ReadPolicy, compared: Sequence[Comparison], currencies: Sequence[str], bench: Bench
) -> Iterator[dict[str, Any]]:
    for comparison in compared:
        value = comparison.operand.value
        if not isinstance(value, int) or isinstance(value, bool):
            continue
        for tool in policy.tools(bench.tools.values())[:TOOLS_PER_RULE]:
            for number in (value - 1, value, value + 1):
                if number < 0:
                    continue
                if comparison.path == MINOR and tool.has_money:
                    yield from (_money_case(tool, number, currency) for currency in currencies)
                elif comparison.path in (("run", "calls"), ("run", "steps")):
                    yield _run_case(tool, comparison.path[1], number)


def _money_case(tool: ToolFacts, minor: int, currency: str) -> dict[str, Any]:
    amount = str(Decimal(minor).scaleb(-get_currency_precision(currency)))
    call = {"tool": tool.name, "amount": amount, "currency": currency}
    return {"name": f"{tool.name} of {format_money(minor, currency)}", "call": call}


def _run_case(tool: ToolFacts, what: str, number: int) -> dict[str, Any]:
    call: dict[str, Any] = {"tool": tool.name, "run": {what: number}}
    if tool.has_money:
        call |= {"amount": "1", "currency": "EUR"}
    return {"name": f"{tool.name} at {number:,} {what} of its run", "call": call}


def _expectation(case: Case, loaded: LoadedRelease, bench: Bench) -> dict[str, Any]:
    try:
        verdict = decide(_facts(case["call"], bench), [loaded])
    except (Invalid, ValueError):
        return {"outcome": "deny"}
    chain = chain_text(verdict.obligations)
    rules = [ref.id for ref in verdict.policies]
    return {"outcome": verdict.outcome, "policies": rules} | ({"approval": chain} if chain else {})
