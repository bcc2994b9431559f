"""What is hardly meant is said; what is called certain is, against the decision itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.money import Money
from apps.policies.evaluation import decide
from apps.policies.lint import Surroundings, findings_of
from tests.policies.builders import CREDIT_POLICIES, THRESHOLDS, call, forbid, permit, read_tool, release, tool

WRITE_OFF = tool("erp.write_off", is_irreversible=True)
AROUND = Surroundings((tool(), read_tool(), WRITE_OFF), frozenset({"o2c-builders"}))


def found(text: str, parameters=None) -> list[tuple[str, str, str]]:
    return [(each.code, each.severity, each.policy) for each in findings_of(text, parameters or {}, AROUND)]


def band(low: int, high: int, *, name: str = "p", annotations: str = "") -> str:
    when = f'context.money.currency == "EUR" && context.money.minor > {low} && context.money.minor <= {high}'
    head = f'@id("{name}") @says("{name}") {annotations}'
    return f'{head} permit (principal, action == Action::"erp.issue_credit_memo", resource) when {{ {when} }};\n'


def test_the_credit_policies_are_clean():
    assert found(CREDIT_POLICIES, THRESHOLDS) == []


def test_a_band_turned_around_is_unreachable_with_its_line():
    parameters = {**THRESHOLDS, "credit_alone": {**THRESHOLDS["credit_alone"], "value": "6000.00"}}
    findings = findings_of(CREDIT_POLICIES, parameters, AROUND)
    assert [(each.code, each.policy, each.line) for each in findings if each.severity == "error"] == [
        ("unreachable", "credit-finance", 11)
    ]
    assert ("overlap", "warning", "credit-cfo") in found(CREDIT_POLICIES, parameters)


@pytest.mark.parametrize(
    "when",
    [
        'context.effect == "read" && context.effect == "write"',
        'context.effect == "read" && context.effect != "read"',
        "context.run.calls > 5 && !(context.run.calls > 3)",
        "false",
        "!true",
    ],
)
def test_contradictions_are_unreachable(when):
    assert ("unreachable", "error", "f") in found(forbid(when))


@pytest.mark.parametrize(
    "when",
    [
        "context.run.calls > 5 || context.run.calls < 5",
        'context.effect == "read" || context.effect == "write"',
        "context.run.calls > 5 && context.run.steps < 3",
    ],
)
def test_what_may_apply_is_not_called_unreachable(when):
    assert "unreachable" not in {code for code, _, _ in found(forbid(when))}


def test_a_side_of_an_or_that_contradicts_itself_is_unreachable():
    euro = 'context.money.currency == "EUR" && context.money.minor > {} && context.money.minor <= 500000'
    dollar = 'context.money.currency == "USD" && context.money.minor > 3000'
    assert found(forbid(f"({euro.format(3000)}) || ({dollar})")) == []
    [finding] = findings_of(forbid(f"({euro.format(600000)}) || ({dollar})"), {}, AROUND)
    assert (finding.code, finding.severity) == ("unreachable", "error")
    crossed = (
        '(context.effect == "read" || context.run.calls > 3) && (context.effect == "write" || context.run.steps > 3)'
    )
    assert found(forbid(crossed)) == []


def test_a_permit_under_a_wider_forbid_is_shadowed():
    narrow = band(100, 200, name="narrow")
    wide = forbid('context.money.minor >= 50 && context.money.currency == "EUR"', name="wide")
    assert ("shadowed", "error", "narrow") in found(narrow + wide)
    elsewhere = forbid('context.money.minor >= 150 && context.money.currency == "EUR"', name="elsewhere")
    assert "shadowed" not in {code for code, _, _ in found(narrow + elsewhere)}


def test_the_same_condition_written_twice_shadows():
    when = 'context.arguments.note like "*a*"'
    assert ("shadowed", "error", "p") in found(permit(when) + forbid(when))
    assert "shadowed" not in {code for code, _, _ in found(permit("true") + forbid(when))}


def test_overlapping_permits_with_other_people_are_named():
    one = band(0, 500, name="one", annotations='@approval("finance-approvers:1") @expires("PT8H")')
    two = band(400, 900, name="two", annotations='@approval("cfo-office:1") @expires("PT8H")')
    apart = band(500, 900, name="apart", annotations='@approval("cfo-office:1") @expires("PT8H")')
    assert found(one + two) == [("overlap", "warning", "two")]
    assert found(one + apart) == []


def test_the_rest():
    cases = {
        ("missing-currency", "error", "p"): permit("context.money.minor < 5"),
        ("missing-currency", "warning", "f"): forbid("context.money.minor > 5"),
        ("irreversible-alone", "warning", "p"): permit(),
        ("no-expiry", "warning", "p"): permit(annotations='@approval("cfo-office:1")'),
        ("self-approval", "warning", "p"): permit(annotations='@approval("o2c-builders:1") @expires("PT8H")'),
    }
    for finding, text in cases.items():
        assert finding in found(text), finding
    assert found(band(0, 5), THRESHOLDS) == [
        ("unused-parameter", "warning", ""),
        ("unused-parameter", "warning", ""),
    ]


def test_a_text_that_cannot_be_read_has_no_findings():
    assert findings_of("permit (", {}, AROUND) == ()


COMPARISONS = st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.integers(0, 6), st.booleans())


def condition(comparisons) -> str:
    """The first two are one way to come to apply, the last two another."""
    parts = [f"{'!' if negated else ''}(context.run.calls {op} {n})" for op, n, negated in comparisons]
    sides = [" && ".join(parts[:2]) or "true", " && ".join(parts[2:])]
    return " || ".join(f"({side})" for side in sides if side)


@settings(max_examples=200, deadline=None)
@given(st.lists(COMPARISONS, max_size=4), st.lists(COMPARISONS, max_size=4))
def test_what_is_called_certain_is_so_for_every_call(permitting, forbidding):
    """Never a false “unreachable” or “shadowed”: for each number a call may carry, the decision agrees."""
    text = permit(condition(permitting)) + forbid(condition(forbidding))
    loaded = release(text, parameters={})
    facts = [
        call(run_calls=calls, money=Money(1, "EUR"), tool=tool(input_schema={"type": "object"})) for calls in range(9)
    ]
    verdicts = [decide(each, [loaded]) for each in facts]
    codes = {(each.code, each.policy) for each in findings_of(text, {}, AROUND)}
    certain = {("shadowed", "p")} | ({("unreachable", "p")} if "||" not in condition(permitting) else set())
    if codes & certain:
        assert all(verdict.outcome == "deny" for verdict in verdicts)
    if ("unreachable", "f") in codes and "||" not in condition(forbidding):
        assert all("f" not in {ref.id for ref in verdict.policies} for verdict in verdicts)
