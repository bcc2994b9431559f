"""What is left of rules when all that is known is put in decides every call as the rules themselves do."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.policies.evaluation import decide
from apps.policies.expressions import written
from apps.policies.partial import Given, left_of
from apps.policies.reading import ReadPolicy, read_set, scope_text
from tests.policies.builders import call, permit, release, tool
from tests.policies.generated import AGENT, PARAMETERS, PROCESS, TEAM, calls, rules, tools


def as_text(policy: ReadPolicy) -> str:
    """A rule that was read, written out again."""
    annotations = " ".join(f'@{name}("{value}")' for name, value in policy.annotations.items())
    head = ", ".join(f"{name} {text}" if text else name for name, text in policy.scopes.items())
    return f"{annotations} {policy.effect} ({head}) {' '.join(each.text for each in policy.conditions)};"


def left(text: str, given_: Given) -> str:
    found = (left_of(policy, given_) for policy in read_set(text, PARAMETERS).policies)
    return "\n".join(as_text(policy) for policy in found if policy is not None)


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_what_is_left_decides_as_the_whole_does(data):
    text, facts = data.draw(rules()), data.draw(tools())
    parameters = read_set(text, PARAMETERS).parameters
    for environment in ("", "production"):
        for agent, teams in (("", ()), (AGENT, (TEAM,))):
            known = Given(facts, parameters, agent=agent, process=PROCESS, teams=teams, environment=environment)
            reduced = left(text, known)
            made = data.draw(calls(facts))
            if environment:
                made = replace(made, environment=environment)
            whole = decide(made, [release(text, parameters=PARAMETERS)])
            rest = decide(made, [release(reduced, parameters=PARAMETERS)])
            assert [ref.id for ref in whole.policies] == [ref.id for ref in rest.policies], reduced
            assert whole.outcome == rest.outcome, reduced
            assert whole.obligations == rest.obligations


KNOWN = Given(
    tool(data_classes=("financial",)), read_set("", PARAMETERS).parameters, agent=AGENT, process=PROCESS, teams=(TEAM,)
)


@pytest.mark.parametrize(
    ("when", "rest"),
    [
        ('context.effect == "write" && context.money.minor > 5', "context.money.minor > 5"),
        ('context.effect == "read" || context.money.minor > 5', "context.money.minor > 5"),
        ('context.effect == "read" && context.money.minor > 5', None),
        ("context.money.minor > 5 && false", None),
        ("context.params.strict", ""),
        ('context.params.trusted.contains("blue")', ""),
        ('!(context.data_classes.contains("financial")) && context.run.calls > 1', None),
        ("context has money", ""),
        ("context.arguments has amount", ""),
        ("context.arguments has note", "context.arguments has note"),
        ("context.arguments has nothing", None),
        ('context.environment == "sandbox"', 'context.environment == "sandbox"'),
        # what may fail is kept, for a failure denies
        ("context.run.calls * 9 > 5 && false", "context.run.calls * 9 > 5 && false"),
        ("context.params.calls * 9 > 5", ""),
        ("9223372036854775807 + context.params.calls > 5", "9223372036854775807 + context.params.calls > 5"),
        ('context.effect like "wr*" && principal in Team::"o2c-oncall"', ""),
        ('context.effect == "1" || 1 == 1', ""),
    ],
)
def test_what_is_left(when, rest):
    [policy] = read_set(permit(when), PARAMETERS).policies
    found = left_of(policy, KNOWN)
    if rest is None:
        assert found is None
    else:
        assert found is not None
        assert [written(each.body) for each in found.conditions] == ([rest] if rest else [])
        assert scope_text(found.action) == ""


def test_true_is_not_one():
    [policy] = read_set(permit("context.params.strict == true && context.params.calls == 3"), PARAMETERS).policies
    assert left_of(policy, KNOWN).conditions == ()
    assert decide(call(), [release(permit("[1, 2].contains(1)"))]).outcome == "allow"
