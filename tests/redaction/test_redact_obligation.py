"""`@redact`: what an agent gets of a result, what is kept, and that a detector which is not there denies."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.approvals import services as approvals
from apps.core.actor import system_actor
from apps.core.errors import Invalid
from apps.gateway.models import Decision, ToolCall
from apps.policies import detectors
from apps.policies.evaluation import decide, replay
from apps.policies.obligations import added_up, parse_redactions
from apps.policies.services import publish_release
from apps.policies.verdicts import Obligations, StageSpec
from apps.registry.models import Process
from apps.vault import services as vault
from tests.conftest import Robot, actor, credit, parked, settle_news
from tests.fakes.erp import FakeErp
from tests.policies.builders import call as facts
from tests.policies.builders import permit, release, tool
from tests.redaction.marking import mark
from tests.redaction.test_detectors import forget, library
from tests.world import PARAMETERS, POLICY

__all__ = ["library"]

OUTPUT = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string"},
        "contact": {"type": "object", "properties": {"name": {"type": "string", "x-data-class": "personal"}}},
    },
}
ANSWER = b'{"id": "CM-1", "contact": {"name": "Ann Other", "city": "Bonn"}, "words": "mail ann@example.com"}'
MEMO_ALONE = '@id("credit-alone")'


def redacting(names: str) -> None:
    """Release the world's policies with this on every memo."""
    text = POLICY
    for name in ("credit-alone", "credit-finance"):
        text = text.replace(f'@id("{name}")', f'@id("{name}") @redact("{names}")')
    publish_release(
        policy_set="order-to-cash",
        process=Process.objects.get(slug="order-to-cash"),
        text=text,
        parameters=PARAMETERS,
        environments=["production"],
        actor=system_actor("tests"),
    )


# --- the decision -----------------------------------------------------------------------------------------------------


def test_redactions_of_all_determining_permits_add_up() -> None:
    texts = permit(name="a", annotations='@redact("personal, iban")') + permit(name="b", annotations='@redact("iban")')
    verdict = decide(facts(), [release(texts), release(permit(annotations='@redact("health")'), of="global")])
    assert verdict.outcome == "allow"
    assert verdict.obligations.redact == ("health", "iban", "personal")
    assert Obligations.from_json(verdict.obligations.as_json()) == verdict.obligations


def test_they_stay_when_people_have_to_be_asked() -> None:
    final = tool(is_irreversible=True)
    verdict = decide(facts(tool=final, owner_team="owners"), [release(permit(annotations='@redact("personal")'))])
    assert (verdict.outcome, verdict.obligations.redact) == ("require_approval", ("personal",))


def test_without_them_obligations_read_as_before() -> None:
    assert "redact" not in decide(facts(), [release(permit())]).obligations.as_json()
    assert "detectors" not in facts().as_json()


def test_a_change_adds_and_never_takes_away() -> None:
    before = Obligations((StageSpec("a", 1),), 60, (), ("iban",))
    assert added_up(before, Obligations(redact=("personal",))).redact == ("iban", "personal")
    assert added_up(Obligations(), Obligations()) == Obligations()


def test_a_detector_that_is_not_there_denies_and_is_decided_again_the_same_way() -> None:
    releases = [release(permit(annotations='@redact("detected:email")'))]
    verdict = decide(facts(), releases)
    assert (verdict.outcome, verdict.code) == ("deny", "redaction_unavailable")
    assert verdict.errors == (
        "Policy demands that what detected:email finds is masked, and no such detector is installed.",
    )
    assert replay(verdict.input, releases) == verdict
    there = decide(facts(detectors=detectors.NAMES), releases)
    assert (there.outcome, there.obligations.redact) == ("allow", ("detected:email",))
    assert replay(there.input, releases) == there


def test_names_are_read_once_each_and_in_order() -> None:
    assert parse_redactions("iban, detected:email ,iban") == ("detected:email", "iban")
    for wrong in ("", "a,,b", "personal;iban", "detected:", "x" * 41):
        with pytest.raises(ValueError, match=r"\."):
            parse_redactions(wrong)


# --- what the agent gets ----------------------------------------------------------------------------------------------


@pytest.fixture
def marked(world: FakeErp, erp: FakeErp) -> FakeErp:
    mark(also={"output_schema": OUTPUT})
    erp.answer = ANSWER
    return erp


@pytest.mark.django_db
def test_the_agent_gets_masks_and_the_vault_keeps_the_truth(
    marked: FakeErp, writer: Robot, api: Callable[[str], Any]
) -> None:
    redacting("personal")
    answer = writer.call("12.00").json()
    masked = {"id": "CM-1", "contact": {"name": "[masked: personal]", "city": "Bonn"}, "words": "mail ann@example.com"}
    assert answer["result"] == masked
    assert answer["decision"]["obligations"]["redact"] == ["personal"]
    assert writer.api().get(f"/api/v1/tool-calls/{answer['id']}").json()["result"] == masked
    assert writer.call("12.00").json()["result"] == masked
    assert writer.api().get("/api/v1/tool-calls").json()["items"][0]["result"] == masked

    call = ToolCall.objects.get(id=answer["id"])
    assert vault.body_of(call.result)["contact"]["name"] == "Ann Other"
    assert api("omar").get(f"/api/v1/tool-calls/{call.id}").json()["result"]["contact"]["name"] == "Ann Other"
    assert Decision.objects.get(tool_call=call).obligations["redact"] == ["personal"]


@pytest.mark.django_db
def test_after_an_approval_it_holds_as_well(marked: FakeErp, writer: Robot) -> None:
    redacting("personal")
    call, approval = parked(writer)
    approvals.cast_vote(actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest)
    settle_news()
    resource = writer.api().get(f"/api/v1/tool-calls/{call.id}").json()
    assert resource["state"] == "succeeded"
    assert resource["result"]["contact"]["name"] == "[masked: personal]"


@pytest.mark.django_db
def test_a_systems_own_words_about_a_failure_are_masked_whole(marked: FakeErp, writer: Robot, erp: FakeErp) -> None:
    redacting("personal")
    erp.faults = ["400"]
    answer = writer.call("12.00").json()
    assert answer["error"]["words"] == "[masked: personal]"


@pytest.mark.django_db
def test_a_class_that_no_field_names_masks_all_text(world: FakeErp, writer: Robot, erp: FakeErp) -> None:
    redacting("financial")
    erp.answer = ANSWER
    assert writer.call("12.00").json()["result"]["contact"] == {
        "name": "[masked: financial]",
        "city": "[masked: financial]",
    }


@pytest.mark.django_db
def test_detectors_find_what_nobody_marked(library: None, marked: FakeErp, writer: Robot) -> None:
    redacting("personal, detected:email")
    answer = writer.call("12.00").json()
    assert answer["result"]["words"] == "mail [masked: email]"
    assert answer["result"]["contact"] == {"name": "[masked: personal]", "city": "Bonn"}


# --- fail closed ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_text_that_names_a_missing_detector_is_not_released(world: FakeErp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors, "LIBRARY", "no_such_library")
    forget()
    try:
        with pytest.raises(Invalid) as refused:
            redacting("detected:email")
    finally:
        forget()
    line = POLICY[: POLICY.index(MEMO_ALONE)].count("\n") + 1
    first = refused.value.details["errors"][0]
    assert (first["line"], first["policy"]) == (line, "credit-alone")
    assert first["sentence"] == "@redact: “detected:email” is not installed here; requirements-pii.txt brings it."


@pytest.mark.django_db
def test_when_the_library_is_gone_the_call_is_denied_before_any_effect(
    library: None, marked: FakeErp, writer: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    redacting("detected:email")
    done = writer.call("12.00", key="before").json()
    monkeypatch.setattr(detectors, "LIBRARY", "no_such_library")
    forget()
    sent = len(marked.ledger)

    answer = writer.call("13.00", key="after")
    assert (answer.status_code, answer.json()["code"]) == (403, "denied")
    assert answer.json()["error"]["code"] == "redaction_unavailable"
    assert answer.json()["detail"].startswith("Policy demands that what detected:email finds is masked")
    assert len(marked.ledger) == sent
    preview = writer.api().post(
        "/api/v1/authorize", {"tool": "erp.issue_credit_memo", "arguments": credit("13.00")}, format="json"
    )
    assert preview.json()["decision"]["outcome"] == "deny"
    # what was looked through before is kept; what was not is masked as a whole
    other = writer.api().get(f"/api/v1/tool-calls/{done['id']}").json()
    assert "ann@example.com" not in str(other)


@pytest.mark.django_db
def test_a_call_that_waited_while_the_library_went_does_not_run(
    library: None, marked: FakeErp, writer: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    redacting("detected:email")
    call, approval = parked(writer)
    approvals.cast_vote(actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest)
    monkeypatch.setattr(detectors, "LIBRARY", "no_such_library")
    forget()
    settle_news()
    call.refresh_from_db()
    assert (call.state, call.error_code) == ("invalidated", "decision_changed")
    assert marked.ledger == []
