"""@escalate: which team may vote too, and when it has waited how long."""

from __future__ import annotations

import pytest

from apps.policies.evaluation import decide
from apps.policies.obligations import Demand, added_up, parse_chain, parse_escalations, strictest
from apps.policies.verdicts import EscalationSpec, Obligations, StageSpec
from tests.policies.builders import call, release

HOUR = 3600


def policy(name: str, *annotations: str) -> str:
    return f'@id("{name}") @says("x") {" ".join(annotations)} permit (principal, action, resource);\n'


def obligations_under(*policies: str) -> Obligations:
    verdict = decide(call(), [release("".join(policies))])
    assert verdict.outcome == "require_approval", verdict
    return verdict.obligations


def test_an_escalation_is_an_obligation() -> None:
    owed = obligations_under(policy("a", '@approval("finance-approvers:1")', '@escalate("PT2H:cfo-office")'))
    assert owed.escalations == (EscalationSpec(2 * HOUR, "cfo-office"),)
    assert owed.as_json()["escalations"] == [{"after_seconds": 2 * HOUR, "team": "cfo-office"}]


def test_of_several_all_count_and_each_team_after_its_shortest_time() -> None:
    owed = obligations_under(
        policy("a", '@approval("finance-approvers:1")', '@escalate("PT6H:cfo-office, PT1H:o2c-oncall")'),
        policy("b", '@approval("finance-approvers:1")', '@escalate("PT2H:cfo-office")'),
        policy("c", '@approval("finance-approvers:1")'),
    )
    assert owed.escalations == (EscalationSpec(HOUR, "o2c-oncall"), EscalationSpec(2 * HOUR, "cfo-office"))


def test_without_one_a_decision_reads_as_it_always_did() -> None:
    """Digests of decisions from before escalations were obligations still verify."""
    owed = obligations_under(policy("a", '@approval("finance-approvers:1")'))
    assert owed.as_json() == {"stages": [{"team": "finance-approvers", "quorum": 1}], "expires_seconds": 24 * HOUR}


@pytest.mark.parametrize("text", ["soon", "PT2H", "PT2H:", ":cfo", "PT2H:a, ", "PT2H:a PT3H:b"])
def test_what_is_no_escalation_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_escalations(text)


def test_what_was_stored_reads_back() -> None:
    owed = Obligations((StageSpec("a", 1), StageSpec("b", 2)), HOUR, (EscalationSpec(60, "c"),))
    assert Obligations.from_json(owed.as_json()) == owed
    assert Obligations.from_json({"stages": [], "expires_seconds": 0}) == Obligations()


def demand(chain: str, hours: int, escalate: str = "") -> Obligations:
    return strictest([Demand(parse_chain(chain), hours * HOUR, parse_escalations(escalate) if escalate else ())])


def test_a_change_adds_people_and_removes_none() -> None:
    before, after = demand("finance:1, cfo:1", 24, "PT2H:leads"), demand("finance:2, audit:1", 8, "PT1H:leads")
    both = added_up(before, after)

    assert both.stages == (StageSpec("finance", 2), StageSpec("cfo", 1), StageSpec("audit", 1))
    assert both.expires_seconds == 8 * HOUR
    assert both.escalations == (EscalationSpec(HOUR, "leads"),)


def test_what_is_allowed_now_keeps_those_who_were_asked() -> None:
    before = demand("finance:1", 8)
    assert added_up(before, Obligations()) == before
    assert added_up(before, before) == before
