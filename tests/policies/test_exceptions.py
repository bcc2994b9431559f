"""Exceptions for a time: asked for by who may write, agreed to by somebody else, logged at each use, ended at once by
anybody responsible and by themselves.
"""

import datetime as dt
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Team
from apps.accounts.services import add_member
from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.core.actor import system_actor
from apps.core.errors import MeshError
from apps.core.models import OutboxEvent
from apps.gateway.models import ExceptionUse
from apps.policies import services
from apps.policies.evaluation import replay
from apps.policies.models import PolicyException
from apps.policies.queries import releases_of
from apps.policies.services import publish_release
from apps.policies.verdicts import ReleaseRef
from apps.registry.models import Process
from apps.registry.services import assign_role, withdraw_role
from apps.vault import services as vault
from tests.conftest import actor, at_once, parked, person, robot_named, settle_news
from tests.policies.reviewing import SET, refusal, released
from tests.world import PARAMETERS, POLICY

pytestmark = pytest.mark.django_db
REASON = "Quarter end: finance is at the auditors'"


def asked(who: str = "priya", **changes: Any) -> PolicyException:
    wanted: dict[str, Any] = {
        "policy_set": SET,
        "environment": "production",
        "rules": ["credit-finance"],
        "tool": "erp.issue_credit_memo",
        "agent": "writer",
        "expires_at": clock.now() + dt.timedelta(days=2),
        "reason": REASON,
    }
    return services.request_exception(actor=actor(who), **(wanted | changes))


def answered(row: PolicyException, who: str = "dana", verdict: str = "approve", **more: Any) -> PolicyException:
    assert row.approval is not None
    approvals.cast_vote(
        actor=actor(who), approval_id=row.approval.id, verdict=verdict, digest=row.approval.digest, **more
    )
    settle_news()
    return PolicyException.objects.get(id=row.id)


def granted(**changes: Any) -> PolicyException:
    row = answered(asked(**changes))
    assert row.state == "active", row.end_reason
    return row


def test_agreed_to_it_lets_pass_what_people_were_asked_for_and_the_decision_says_so(writer):
    assert writer.call("600.00", key="before").status_code == 202
    row = asked()
    assert writer.call("600.00", key="waiting").status_code == 202
    row = answered(row)
    answer = writer.call("600.00", key="after")
    assert answer.status_code == 200
    policies = answer.json()["decision"]["policies"]
    assert [(each["set"], each["id"]) for each in policies] == [
        (SET, "credit-finance"), ("exceptions", f"exception-{row.id}"),
    ]  # fmt: skip
    assert writer.call("6000.00", key="more").status_code == 202
    assert robot_named("triage").call("600.00", key="another").status_code in (202, 404)


def test_each_use_is_a_row_and_a_line_in_the_log(writer):
    row = granted()
    writer.call("100.00", key="alone")
    writer.call("600.00", key="one")
    writer.call("600.00", key="one")
    writer.call("700.00", key="two")
    uses = list(ExceptionUse.objects.filter(exception=row).order_by("id"))
    assert [use.tool_call.idempotency_key for use in uses] == ["one", "two"]
    entries = AuditEntry.objects.filter(code="policy.exception_used", subject_id=str(row.id)).order_by("seq")
    assert [entry.data["tool_call_id"] for entry in entries] == [str(use.tool_call_id) for use in uses]
    assert entries[0].data["money"] == {"minor": 60_000, "currency": "EUR"}


def test_a_stored_decision_is_made_again_after_it_is_over(writer):
    """I11: the exception is part of the input."""
    row = granted()
    writer.call("600.00")
    services.revoke_exception(actor=actor("omar"), exception_id=row.id, reason="Finance is back")
    decision = ExceptionUse.objects.get().decision
    stored = vault.body_of(decision.input)
    verdict = replay(stored, releases_of(ReleaseRef(**ref) for ref in decision.releases))
    assert (verdict.outcome, [each.as_json() for each in verdict.policies]) == ("allow", decision.policies)


def test_it_leaves_its_trace(world):
    row = granted()
    services.revoke_exception(actor=actor("dana"), exception_id=row.id, reason="Finance is back")
    codes = AuditEntry.objects.filter(subject_id=str(row.id)).order_by("seq").values_list("code", flat=True)
    assert list(codes) == ["policy.exception_requested", "policy.exception_granted", "policy.exception_revoked"]
    assert OutboxEvent.objects.filter(name="PolicyExceptionChanged").count() == 3


@pytest.mark.parametrize("who", ["dana", "omar", "chen"])
def test_who_may_not_write_the_set_asks_for_none(world, who):
    assert refusal(asked, who).code == "permission.missing"


@pytest.mark.parametrize("who", ["priya", "alex"])
def test_neither_who_asks_nor_their_team_agrees(world, who):
    """Even with the right to vote and a seat in the team that is asked."""
    assign_role(user=person(who), role="approver", process=Process.objects.get(slug=SET), actor=system_actor("tests"))
    row = asked()
    add_member(team=Team.objects.get(slug="finance-approvers"), user=person(who), actor=system_actor("tests"))
    assert refusal(answered, row, who).code == "approval.own_request"
    assert {person("priya").id, person("alex").id} <= set(row.approval.barred_people)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rules": []}, "policy.exception_rules"),
        ({"rules": ["gone"]}, "policy.exception_rules"),
        ({"rules": ["credit-alone"]}, "policy.exception_rules"),
        ({"rules": ["write-off"], "tool": "erp.write_off"}, "policy.exception_irreversible"),
        ({"expires_at": dt.timedelta(days=7, minutes=5)}, "policy.bad_time"),
        ({"expires_at": dt.timedelta(minutes=-1)}, "policy.bad_time"),
        ({"reason": " "}, "policy.reason_missing"),
        ({"environment": "staging"}, "policy.nothing_live"),
        ({"environment": "moon"}, "policy.unknown_environment"),
        ({"agent": "nobody"}, "agent.not_found"),
        ({"agent": "payer"}, "agent.not_found"),
        ({"tool": "erp.gone"}, "tool_not_found"),
        ({"cap": "0.00", "currency": "EUR"}, "policy.exception_cap"),
        ({"cap": "5.00", "currency": "EUR", "tool": "erp.open_ticket"}, "policy.exception_cap"),
        ({"policy_set": "global"}, "permission.missing"),
    ],
)
def test_what_is_no_exception_is_refused(world, changes, code):
    from_now = {name: clock.now() + value for name, value in changes.items() if isinstance(value, dt.timedelta)}
    assert refusal(asked, **changes | from_now).code == code
    assert not PolicyException.objects.exists()


def test_the_database_holds_the_week_and_the_currency(world):
    row = asked()
    for change in ({"expires_at": row.requested_at + dt.timedelta(days=8)}, {"cap_minor": 5}):
        with pytest.raises(IntegrityError), transaction.atomic():
            PolicyException.objects.filter(id=row.id).update(**change)


def test_a_cap_holds_per_call_and_for_every_agent_where_none_is_named(writer):
    granted(cap="650.00", currency="EUR", agent="")
    assert writer.call("650.00", key="within").status_code == 200
    assert writer.call("650.01", key="above").status_code == 202


def test_it_expires_by_itself_at_once_and_is_written_down_later(world, time_passes):
    row = granted(expires_at=clock.now() + dt.timedelta(hours=3))
    assert robot_named("writer").call("600.00", key="before").status_code == 200
    time_passes(hours=4)
    assert robot_named("writer").call("600.00", key="after").status_code == 202
    assert (services.expire_exceptions(), services.expire_exceptions()) == (1, 0)
    row.refresh_from_db()
    assert row.state == "expired"


@pytest.mark.parametrize("who", ["priya", "alex", "omar", "dana", "felix"])
def test_anybody_responsible_ends_it_with_the_next_call(writer, who):
    row = granted()
    assert writer.call("600.00", key="before").status_code == 200
    revoke = partial(services.revoke_exception, actor=actor(who), exception_id=row.id)
    assert refusal(revoke, reason="").code == "policy.reason_missing"
    revoke(reason="Finance is back")
    assert writer.call("600.00", key="after").status_code == 202
    assert refusal(revoke, reason="Again").code == "policy.exception_over"


def test_who_only_reads_ends_none(world):
    row = granted()
    assert refusal(
        services.revoke_exception, actor=actor("chen"), exception_id=row.id, reason="No"
    ).code == "permission.missing"  # fmt: skip


def test_what_is_not_agreed_to_yet_is_taken_back_by_its_writers(world):
    row = asked()
    take_back = partial(services.revoke_exception, exception_id=row.id)
    assert refusal(take_back, actor=actor("dana")).code == "permission.missing"
    take_back(actor=actor("alex"))
    row.refresh_from_db()
    assert (row.state, Approval.objects.get(id=row.approval_id).state) == ("withdrawn", "cancelled")


def test_a_no_and_no_answer_in_time_put_nothing_in_force(writer, time_passes):
    row = answered(asked(), verdict="reject", reason_code="other", comment="No")
    assert (row.state, row.end_reason) == ("refused", "The second person's answer: rejected.")
    row = asked(expires_at=clock.now() + dt.timedelta(hours=1))
    time_passes(hours=2)
    approvals.expire_due()
    settle_news()
    row.refresh_from_db()
    assert row.state == "refused"


def publish(text: str) -> None:
    publish_release(
        policy_set=SET, process=Process.objects.get(slug=SET), text=text, parameters=PARAMETERS,
        environments=["production"], actor=system_actor("tests"),
    )  # fmt: skip


def test_it_is_to_this_release_and_no_other(writer):
    row = granted()
    publish(POLICY + "// another")
    assert writer.call("600.00", key="other").status_code == 202
    publish(POLICY)
    assert writer.call("600.00", key="same").status_code == 200
    waiting = asked(rules=["credit-cfo"])
    released("700.00")
    assert answered(waiting).end_reason.startswith("Other policies decide there by now")
    row.refresh_from_db()
    assert row.state == "active"


def test_who_lost_the_right_and_what_was_changed_put_nothing_in_force(world):
    row = asked()
    PolicyException.objects.filter(id=row.id).update(rules=["credit-finance", "credit-cfo"])
    assert answered(row).end_reason == "This is not what was agreed to."
    row = asked()
    withdraw_role(
        user=person("priya"), role="owner", process=Process.objects.get(slug=SET), actor=system_actor("tests")
    )
    assert answered(row).end_reason == "Whoever asked may not change these policies any more."


def test_a_forbid_is_lifted_for_one_agent(writer):
    publish(POLICY + '@id("freeze") @says("Nothing is credited at quarter end")\n'
            'forbid (principal, action == Action::"erp.issue_credit_memo", resource);')  # fmt: skip
    assert writer.call("100.00", key="frozen").status_code == 403
    granted(rules=["freeze"])
    answer = writer.call("100.00", key="excepted")
    assert (answer.status_code, answer.json()["decision"]["policies"][-1]["set"]) == (200, "exceptions")
    assert writer.call("600.00", key="asks").status_code == 202


def test_a_call_that_waits_goes_by_what_it_was_asked_under(writer):
    """People were asked about it without the exception: what they said holds."""
    call, approval = parked(writer, "600.00")
    granted()
    approvals.cast_vote(actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest)
    settle_news()
    call.refresh_from_db()
    assert call.state == "succeeded"


def test_a_dry_run_sees_it_and_leaves_nothing(writer):
    granted()
    answer = writer.call("600.00", dry_run=True)
    assert answer.json()["decision"]["outcome"] == "allow"
    assert not ExceptionUse.objects.exists()


def test_without_any_a_call_reads_no_more_than_before(writer):
    writer.call("100.00", key="warm")
    with CaptureQueriesContext(connection) as captured:
        writer.call("100.00", key="measured")
    assert not [query for query in captured.captured_queries if "policies_policyexception" in query["sql"]]


def test_news_may_come_twice(world):
    row = granted()
    services.answer_exception(row.id)
    assert AuditEntry.objects.filter(code="policy.exception_granted").count() == 1


@pytest.mark.django_db(transaction=True)
def test_many_who_revoke_at_once_end_it_once(world):
    row = granted()

    def one(who: str) -> str:
        try:
            services.revoke_exception(actor=actor(who), exception_id=row.id, reason="Over")
        except MeshError as error:
            return error.code
        return "revoked"

    outcomes = at_once([partial(one, who) for who in ("priya", "omar", "dana")])
    assert sorted(outcomes) == ["policy.exception_over", "policy.exception_over", "revoked"]


def test_the_pages_ask_show_and_revoke(sign_in, writer):
    priya = sign_in("priya")
    assert "No exceptions" in priya.get(f"/policies/{SET}/exceptions/").content.decode()
    form = {
        "environment": "production",
        "rules": ["credit-finance"],
        "agent": "writer",
        "tool": "erp.issue_credit_memo",
        "cap": "1,000.00",
        "currency": "eur",
        "expires_at": f"{clock.now() + dt.timedelta(days=2):%Y-%m-%dT%H:%M}",
        "reason": REASON,
    }
    late = priya.post(f"/policies/{SET}/exceptions/", form | {"expires_at": "2099-01-01T08:00"})
    assert (late.status_code, "at most 7 days" in late.content.decode()) == (422, True)
    assert priya.post(f"/policies/{SET}/exceptions/", form | {"rules": []}).status_code == 422
    assert priya.post(f"/policies/{SET}/exceptions/", form).status_code == 302
    row = PolicyException.objects.get()
    assert (row.cap_minor, row.currency) == (100_000, "EUR")
    card = sign_in("dana").get(f"/inbox/{row.approval_id}/").content.decode()
    assert "Except Order-to-cash writer from credit-finance" in card and "up to €1,000.00 a call" in card
    answered(row)
    writer.call("600.00")
    page = sign_in("chen").get(f"/policies/exceptions/{row.id}/").content.decode()
    assert "INV-1042" in page and "Revoke it now" not in page
    omar = sign_in("omar")
    assert "Revoke it now" in omar.get(f"/policies/exceptions/{row.id}/").content.decode()
    assert omar.post(f"/policies/exceptions/{row.id}/revoke/", {"reason": ""}).status_code == 422
    assert omar.post(f"/policies/exceptions/{row.id}/revoke/", {"reason": "Over"}).status_code == 302
    assert "Revoked" in omar.get(f"/policies/{SET}/exceptions/").content.decode()
    assert sign_in("otto").get(f"/policies/exceptions/{row.id}/").status_code == 404


def test_the_api_does_the_same(api, writer):
    body = {
        "environment": "production",
        "rules": ["credit-finance"],
        "tool": "erp.issue_credit_memo",
        "agent": "writer",
        "expires_at": clock.rfc3339(clock.now() + dt.timedelta(days=1)),
        "reason": REASON,
    }
    url = f"/api/v1/policies/{SET}/exceptions"
    assert api("dana").post(url, body, format="json").status_code == 403
    answer = api("priya").post(url, body, format="json")
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    one = f"/api/v1/policy-exceptions/{answer.json()['id']}"
    answered(PolicyException.objects.get())
    writer.call("600.00")
    [use] = api("chen").get(f"{one}/uses").json()["items"]
    assert (use["agent"], use["money"], use["outcome"]) == ("writer", {"minor": 60_000, "currency": "EUR"}, "allow")
    assert api("omar").post(f"{one}/revoke", {"reason": "Over"}, format="json").json()["state"] == "revoked"
    assert [each["state"] for each in api("dana").get(url).json()["items"]] == ["revoked"]
    assert api("otto").get(one).status_code == 404


def test_one_to_the_global_set_is_for_one_process_and_seen_there(writer):
    publish_release(
        policy_set="global", process=None, parameters={}, environments=["production"], actor=system_actor("tests"),
        text='@id("freeze") @says("Nothing is credited at quarter end")\n'
        'forbid (principal, action == Action::"erp.issue_credit_memo", resource);',
    )  # fmt: skip
    assert writer.call("100.00", key="frozen").status_code == 403
    assign_role(user=person("otto"), role="owner", process=None, actor=system_actor("tests"))
    wanted = partial(asked, "otto", policy_set="global", rules=["freeze"])
    assert refusal(wanted, agent="").code == "policy.exception_for_whom"
    row = answered(wanted(agent="", process="order-to-cash"))
    assert writer.call("100.00", key="excepted").status_code == 200
    assign_role(
        user=person("alex"), role="viewer", process=Process.objects.get(slug="procure-to-pay"),
        actor=system_actor("tests"),
    )  # fmt: skip
    withdraw_role(
        user=person("alex"), role="engineer", process=Process.objects.get(slug=SET), actor=system_actor("tests")
    )
    assert refusal(
        services.revoke_exception, actor=actor("alex"), exception_id=row.id, reason="No"
    ).code == "policy.exception_not_found"  # fmt: skip
    services.revoke_exception(actor=actor("omar"), exception_id=row.id, reason="Over")
    assert writer.call("100.00", key="again").status_code == 403
