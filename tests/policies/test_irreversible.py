"""What cannot be undone is never done alone, whatever a permit says."""

import pytest

from apps.policies.evaluation import decide, replay
from apps.policies.irreversible import permits_alone
from tests.policies.builders import CREDIT, call, read_tool, release, tool

FINAL = tool(is_irreversible=True)
ALONE = '@id("alone") @says("Alone") permit (principal, action, resource);'
WITH_PEOPLE = '@id("asked") @says("Asked") @approval("cfo-office:2") permit (principal, action, resource);'


def test_an_irreversible_call_that_is_allowed_alone_waits_for_the_owners() -> None:
    verdict = decide(call(tool=FINAL, owner_team="o2c-owners"), [release(ALONE)])

    assert verdict.outcome == "require_approval"
    assert [(stage.team, stage.quorum) for stage in verdict.obligations.stages] == [("o2c-owners", 1)]
    assert [(policy.id, policy.set) for policy in verdict.policies][-1] == ("never-alone", "mesh")
    assert replay(verdict.input, [release(ALONE)]) == verdict


def test_people_whom_a_permit_asks_are_enough() -> None:
    verdict = decide(call(tool=FINAL, owner_team="o2c-owners"), [release(WITH_PEOPLE)])
    assert [stage.team for stage in verdict.obligations.stages] == ["cfo-office"]
    assert "never-alone" not in {policy.id for policy in verdict.policies}


def test_without_anybody_to_ask_it_is_denied() -> None:
    verdict = decide(call(tool=FINAL, owner_team=""), [release(ALONE)])
    assert (verdict.outcome, len(verdict.errors)) == ("deny", 1)
    assert replay(verdict.input, [release(ALONE)]) == verdict


def test_a_reversible_write_goes_alone() -> None:
    assert decide(call(tool=CREDIT, owner_team="o2c-owners"), [release(ALONE)]).outcome == "allow"


def test_what_was_decided_before_the_rule_is_decided_again_as_it_was() -> None:
    stored = call(tool=FINAL).as_json()
    assert "owner_team" not in stored
    assert replay(stored, [release(ALONE)]).outcome == "allow"


@pytest.mark.parametrize(
    ("head", "is_found"),
    [
        ("principal, action, resource", True),
        ('principal, action == Action::"erp.issue_credit_memo", resource', True),
        ('principal, action in [Action::"read", Action::"financial"], resource', True),
        ('principal, action in Action::"write", resource in Connector::"erp"', True),
        ('principal, action in Action::"write", resource in Connector::"crm"', False),
        ('principal, action in Action::"read", resource', False),
        ('principal, action == Action::"erp.other", resource', False),
    ],
)
def test_permits_that_let_it_go_alone_are_found_by_their_head(head: str, is_found: bool) -> None:
    text = f'@id("alone") @says("Alone") permit ({head}) when {{ context.environment == "production" }};'
    found = permits_alone(text, [FINAL, CREDIT, read_tool()])
    assert found == ([(FINAL.name, "alone")] if is_found else [])


def test_a_permit_that_asks_people_and_a_forbid_are_not() -> None:
    assert permits_alone(WITH_PEOPLE + '@id("no") @says("No") forbid (principal, action, resource);', [FINAL]) == []
