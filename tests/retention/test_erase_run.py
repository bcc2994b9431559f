"""A person has erased what one run holds: for a reason, never under a hold, and the run says so."""

from collections.abc import Callable

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.artifacts import files
from apps.artifacts.models import Artifact, StateVersion
from apps.audit.models import AuditEntry
from apps.core.models import OutboxEvent
from apps.gateway.models import ToolCall
from apps.retention import services
from apps.runs.models import Run
from apps.telemetry.models import ReportedSpan
from apps.vault.models import Payload
from tests.artifacts.keeping import open_run
from tests.conftest import Robot, actor, parked
from tests.retention.building import end, full_run
from tests.telemetry.exporting import tell, tool_span

pytestmark = pytest.mark.django_db

WHY = {"reason": "Request 17 of the customer"}


def test_everything_the_run_said_is_erased_and_told(writer: Robot, api: Callable[[str], APIClient]) -> None:
    run, other = full_run(writer), full_run(writer, "k-2")
    erased = api("chen").post(f"/api/v1/runs/{run.id}/erase", WHY, format="json")

    assert erased.status_code == 200
    assert erased.json()["erased"] == {"calls": 1, "state": 2, "artifacts": 1}
    call, kept = ToolCall.objects.get(run=run), ToolCall.objects.get(run=other)
    assert Payload.objects.get(id=call.request_id).body is None
    assert Payload.objects.get(id=kept.request_id).body is not None
    assert all(version.is_erased for version in StateVersion.objects.filter(run=run))
    assert Artifact.objects.get(run=run).is_erased
    assert files.remove_erased() == 1
    entry = AuditEntry.objects.get(code="run.erased")
    assert (entry.actor_key, entry.reason) == (actor("chen").key, WHY["reason"])
    assert entry.data["counts"] == {"calls": 1, "state": 2, "artifacts": 1}
    assert OutboxEvent.objects.filter(name="RunContentErased", subject=f"run:{run.id}").count() == 1
    story = api("omar").get(f"/api/v1/runs/{run.id}/story").json()["text"]
    words = "the arguments and results of 1 call, 2 versions of its state and 1 artifact"
    assert f"Chen Wei had {words} erased. “Request 17 of the customer”." in story
    assert WHY["reason"] not in writer.api().get(f"/api/v1/runs/{run.id}/story").json()["text"]
    assert "180.00" in story


def test_what_was_erased_is_erased_once(writer: Robot, api: Callable[[str], APIClient]) -> None:
    run = full_run(writer)
    priya = api("priya")
    priya.post(f"/api/v1/runs/{run.id}/erase", WHY, format="json")
    again = priya.post(f"/api/v1/runs/{run.id}/erase", WHY, format="json")

    assert (again.status_code, again.json()["code"]) == (409, "erasure.nothing")
    assert AuditEntry.objects.filter(code="run.erased").count() == 1


def test_who_may_not_erases_nothing_and_nobody_without_a_reason(writer: Robot, api: Callable[[str], APIClient]) -> None:
    run = full_run(writer)
    path = f"/api/v1/runs/{run.id}/erase"

    for username, status in (("dana", 403), ("omar", 403), ("alex", 403), ("otto", 404)):
        assert api(username).post(path, WHY, format="json").status_code == status
    assert writer.api().post(path, WHY, format="json").json()["code"] == "people.only"
    assert api("chen").post(path, {"reason": " "}, format="json").status_code == 422
    assert Payload.objects.filter(body=None).count() == 0


def test_under_a_hold_of_the_run_or_its_process_nothing_is_erased(
    writer: Robot, api: Callable[[str], APIClient]
) -> None:
    run = full_run(writer)
    chen = api("chen")
    for body in ({"run_id": str(run.id)}, {"process": "order-to-cash"}):
        placed = chen.post("/api/v1/legal-holds", {**body, "reason": "Case 4711"}, format="json")
        assert placed.status_code == 201
        refused = chen.post(f"/api/v1/runs/{run.id}/erase", WHY, format="json")
        assert (refused.status_code, refused.json()["code"]) == (409, "erasure.on_hold")
        assert refused.json()["hold_id"] == placed.json()["id"]
        lifted = chen.post(f"/api/v1/legal-holds/{placed.json()['id']}/lift", {"reason": "Closed"}, format="json")
        assert lifted.status_code == 200
    assert chen.post(f"/api/v1/runs/{run.id}/erase", WHY, format="json").status_code == 200


def test_an_open_run_and_one_with_a_call_that_waits_are_not_erased(
    writer: Robot, api: Callable[[str], APIClient]
) -> None:
    run = full_run(writer, is_ended=False)
    chen = api("chen")
    assert chen.post(f"/api/v1/runs/{run.id}/erase", WHY, format="json").json()["code"] == "erasure.run_open"
    call, _ = parked(writer, key="waits", run_id=str(run.id))
    Run.objects.filter(id=run.id).update(state="failed", ended_at=call.requested_at)
    assert chen.post(f"/api/v1/runs/{run.id}/erase", WHY, format="json").json()["code"] == "erasure.unsettled"


def test_what_agents_reported_of_the_run_is_erased_with_it(writer: Robot, api: Callable[[str], APIClient]) -> None:
    span = tool_span("erp.find", attributes={"gen_ai.tool.call.arguments": "Acme GmbH"})
    other = tool_span("erp.find", attributes={"gen_ai.tool.call.arguments": "Other Ltd"})
    tell(writer, span, other)
    run = open_run(writer)
    context = f"00-{span['trace']}-{span['span']}-01"
    assert writer.api().post("/api/v1/tool-calls", CALL | {"run_id": run}, format="json", HTTP_TRACEPARENT=context)
    end(writer, run)
    erased = api("chen").post(f"/api/v1/runs/{run}/erase", WHY, format="json").json()["erased"]

    assert erased == {"calls": 1, "reported": 1}
    [left] = ReportedSpan.objects.exclude(payload="")
    assert "Other Ltd" in left.payload


def test_a_person_does_all_of_it_on_the_page_of_the_run(writer: Robot, sign_in: Callable[[str], Client]) -> None:
    run = full_run(writer)
    chen, page = sign_in("chen"), f"/runs/{run.id}/"
    assert "Erase what this run holds" in chen.get(page).content.decode()
    assert "Erase what this run holds" not in sign_in("dana").get(page).content.decode()

    held = chen.post("/retention/holds/", {"run_id": str(run.id), "reason": "Case 4711", "until": "2099-01-01"})
    assert held.status_code == 302
    under_hold = chen.get(page).content.decode()
    assert "Case 4711" in under_hold
    assert "Erase what this run holds" not in under_hold
    assert "put a legal hold on this run" in sign_in("dana").get(page).content.decode()
    refused = chen.post(f"/runs/{run.id}/erase/", WHY, follow=True).content.decode()
    assert "keeps this from being erased" in refused
    hold = run.legal_holds.get()
    chen.post(f"/retention/holds/{hold.id}/lift/", {"reason": "Closed"})
    done = chen.post(f"/runs/{run.id}/erase/", WHY, follow=True).content.decode()
    assert "4 things were erased." in done
    assert "Its content was erased." in done


def test_holds_say_who_why_and_until_when(writer: Robot, api: Callable[[str], APIClient]) -> None:
    run = full_run(writer)
    chen = api("chen")
    bad = {"run_id": str(run.id), "reason": "Case", "expires_at": "2020-01-01T00:00:00Z"}
    assert chen.post("/api/v1/legal-holds", bad, format="json").json()["code"] == "legal_hold.bad_expiry"
    both = {"run_id": str(run.id), "process": "order-to-cash", "reason": "Case"}
    assert chen.post("/api/v1/legal-holds", both, format="json").json()["code"] == "legal_hold.of_what"
    good = {"run_id": str(run.id), "reason": "Case 4711", "expires_at": "2099-01-01T00:00:00Z"}
    hold = chen.post("/api/v1/legal-holds", good, format="json").json()

    assert (hold["placed_by"], hold["reason"], hold["expires_at"]) == (
        "Chen Wei",
        "Case 4711",
        "2099-01-01T00:00:00.000Z",
    )
    listed = api("dana").get("/api/v1/legal-holds?in_force=true").json()["items"]
    assert listed == [hold]
    assert api("dana").post(f"/api/v1/legal-holds/{hold['id']}/lift", WHY, format="json").status_code == 403
    assert api("otto").post(f"/api/v1/legal-holds/{hold['id']}/lift", WHY, format="json").status_code == 404
    assert chen.post(f"/api/v1/legal-holds/{hold['id']}/lift", WHY, format="json").status_code == 200
    again = chen.post(f"/api/v1/legal-holds/{hold['id']}/lift", WHY, format="json")
    assert again.json()["code"] == "legal_hold.already_lifted"
    assert api("dana").get("/api/v1/legal-holds?in_force=true").json()["items"] == []
    assert {entry.code for entry in AuditEntry.objects.filter(subject_id=hold["id"])} == {
        "legal_hold.placed",
        "legal_hold.lifted",
    }


def test_rules_are_set_by_who_answers_for_content(
    api: Callable[[str], APIClient], sign_in: Callable[[str], Client]
) -> None:
    rule = {"content": "calls", "data_class": "personal", "days": 90, "process": "order-to-cash"}
    assert api("dana").post("/api/v1/retention-rules", rule, format="json").status_code == 403
    assert api("priya").post("/api/v1/retention-rules", rule | {"process": None}, format="json").status_code == 403
    made = api("priya").post("/api/v1/retention-rules", rule, format="json")
    assert made.status_code == 200
    assert api("dana").get("/api/v1/retention-rules").json()["items"] == [made.json()]
    for wrong in ({"days": 0}, {"data_class": "no class"}, {"content": "reported"}):
        refused = api("priya").post("/api/v1/retention-rules", rule | wrong, format="json")
        assert (refused.status_code, refused.json()["code"]) == (422, "retention.invalid")
    page = sign_in("chen").post(
        "/retention/", {"content": "state", "process": "order-to-cash", "days": "7"}, follow=True
    )
    assert "Workflow state" in page.content.decode()
    assert "7 days" in page.content.decode()
    not_there = sign_in("chen").post("/retention/", {"content": "spans", "process": "order-to-cash", "days": "7"})
    assert not_there.status_code == 422
    assert api("priya").delete(f"/api/v1/retention-rules/{made.json()['id']}").status_code == 204
    codes = list(
        AuditEntry.objects.filter(code__startswith="retention.").order_by("seq").values_list("code", flat=True)
    )
    assert codes == ["retention.rule_set", "retention.rule_set", "retention.rule_ended"]


def test_a_hold_that_is_there_twice_is_lifted_one_by_one(writer: Robot) -> None:
    run = full_run(writer)
    chen = actor("chen")
    holds = [services.place_legal_hold(actor=chen, process=run.process, run=run, reason="Case") for _ in range(2)]
    services.lift_legal_hold(actor=chen, hold_id=holds[0].id, reason="Closed")
    with pytest.raises(Exception, match="keeps this from being erased"):
        services.erase_run(actor=chen, run_id=run.id, reason="Why")


CALL = {
    "tool": "erp.issue_credit_memo",
    "arguments": {
        "invoice_id": "INV-1042",
        "customer_id": "C-204",
        "amount": "180.00",
        "currency": "EUR",
        "reason_code": "price_mismatch",
    },
    "idempotency_key": "traced",
}
