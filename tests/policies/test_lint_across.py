"""What a global forbid leaves of a process's permits is said of both, and what is called covered is, for every call."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.policies.checking import check
from apps.policies.evaluation import decide
from apps.policies.lint import Surroundings, findings_of
from apps.policies.lint_across import OtherSet, shadows
from apps.policies.merging import DraftContent
from apps.policies.models import PolicySet
from apps.policies.queries import ground_of
from apps.policies.reading import read_set
from tests.policies.builders import (
    CREDIT,
    CREDIT_POLICIES,
    NO_MASTER_DATA,
    THRESHOLDS,
    forbid,
    permit,
    read_tool,
    release,
    tool,
)
from tests.policies.generated import PARAMETERS, PROCESS, calls, rules, tools
from tests.policies.reviewing import SET
from tests.world import PARAMETERS as LIVE_PARAMETERS
from tests.world import POLICY

MASTER = tool("crm.rename", data_classes=("customer_master",), has_money=False)
TOOLS = (CREDIT, read_tool(), MASTER)


def of_process(text: str, beside: str, parameters=None) -> list[tuple[str, str, str]]:
    other = OtherSet("global", "", read_set(beside, {}))
    around = Surroundings(TOOLS, process=PROCESS, beside=(other,))
    return [(each.code, each.severity, each.sentence) for each in findings_of(text, parameters or {}, around)]


def test_a_permit_under_a_global_forbid_is_named():
    text = permit().replace("(principal, action, resource)", '(principal, action == Action::"crm.rename", resource)')
    sentence = "“no-master-data” of global forbids everything this permits."
    assert of_process(text, NO_MASTER_DATA) == [("shadowed", "warning", sentence)]
    assert of_process(permit(), NO_MASTER_DATA) == []
    assert of_process(CREDIT_POLICIES, NO_MASTER_DATA, THRESHOLDS) == []


def test_of_the_global_set_the_forbid_is_named():
    text = permit().replace("(principal, action, resource)", '(principal, action == Action::"crm.rename", resource)')
    around = Surroundings(TOOLS, beside=(OtherSet("order-to-cash", PROCESS, read_set(text, {})),))
    [finding] = findings_of(NO_MASTER_DATA, {}, around)
    assert (finding.severity, finding.policy) == ("warning", "no-master-data")
    assert finding.sentence == "It forbids everything that “p” of order-to-cash permits."


@pytest.mark.parametrize(
    ("principal", "is_shadowed"),
    [("principal", True), (f'principal in Process::"{PROCESS}"', True), ('principal in Process::"other"', False),
     ('principal == Agent::"one"', False)],
)  # fmt: skip
def test_whom_a_forbid_is_about_counts(principal, is_shadowed):
    text = forbid().replace("(principal,", f"({principal},")
    assert bool(of_process(permit(), text)) is is_shadowed


def test_parameters_of_one_name_are_those_of_each_set():
    """Written alike and yet not the same: each set has its own value."""
    when = "context.run.calls > context.params.most"
    permitting, forbidding = (
        read_set(text, {"most": {"type": "long", "value": value}})
        for text, value in ((permit(when), 5), (forbid(when), 50))
    )
    assert list(shadows(permitting, forbidding, process=PROCESS, tools=TOOLS)) == []
    lower = read_set(forbid(when), {"most": {"type": "long", "value": 3}})
    assert [each.permit.id for each in shadows(permitting, lower, process=PROCESS, tools=TOOLS)] == ["p"]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_what_is_called_covered_is_never_permitted(data):
    texts = [data.draw(rules(most=3)), data.draw(rules(most=3)) + "\n" + forbid(data.draw(st.sampled_from(WIDE)))]
    facts = data.draw(tools())
    sides = [read_set(text, PARAMETERS) for text in texts]
    found = {each.permit.id for each in shadows(*sides, process=PROCESS, tools=[facts])}
    loaded = [release(text, of=name, parameters=PARAMETERS) for text, name in zip(texts, ("one", "two"), strict=True)]
    for made in [data.draw(calls(facts)) for _ in range(2)]:
        alone = decide(made, loaded[:1])
        if found & {ref.id for ref in alone.policies}:
            assert decide(replace(made), loaded).outcome == "deny"


WIDE = ('context.effect == "write"', "context.run.calls >= 0", "true", "context.run.calls > 2", "context has money")


@pytest.mark.django_db
def test_a_draft_is_looked_at_beside_what_decides_now(world):
    text = (
        POLICY
        + '@id("rename") @says("Names change") permit (principal, action == Action::"erp.open_ticket", resource);'
    )
    ground = ground_of(PolicySet.objects.get(slug=SET))
    assert [other.name for other in ground.beside] == ["global"]
    assert [other.process for other in ground_of(PolicySet.objects.get(slug="global")).beside] == [SET]
    beside = (OtherSet("global", "", read_set(forbid('resource == Tool::"erp.open_ticket"'), {})),)
    checked = check(DraftContent(text, LIVE_PARAMETERS), replace(ground, beside=beside))
    assert {finding.policy for finding in checked.findings if finding.code == "shadowed"} == {"ticket", "rename"}
    assert checked.is_ready
