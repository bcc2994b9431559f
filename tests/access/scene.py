"""What the table's lines need: the objects in their braces, the bodies of their acts, and a client for each role."""

import datetime as dt
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts import services as accounts
from apps.accounts.models import Team
from apps.approvals import services as approvals
from apps.approvals.filters import QueueFilter
from apps.approvals.models import Approval, BulkState, BulkVote, SecondLook
from apps.artifacts.models import StateVersion
from apps.breakers.models import Breaker
from apps.budgets import services as budgets
from apps.core import clock
from apps.core.actor import system_actor
from apps.core.ids import uuid7
from apps.external.models import ExternalRequest
from apps.gateway.models import ToolCall
from apps.halts import services as halts
from apps.notifications import services as notifications
from apps.policies import services as policies
from apps.registry import services as registry
from apps.registry.models import Connector, ConnectorEndpoint, Process
from apps.replays import services as replays
from apps.retention import services as retention
from apps.runs.models import Run, Span
from apps.runs.steps import rows_of
from tests.access.table import AGENTS, TO_SIGN_IN, Row
from tests.artifacts.keeping import save, send_file
from tests.budgets.builders import make_budget, make_rate
from tests.conftest import Robot, actor, credit, parked, person, robot_named
from tests.gateway.undoing import BY_TICKET, run_of, undone_by
from tests.gateway.unknowns import make_unknown
from tests.policies.reviewing import limit, raised, sent
from tests.redaction.marking import mark
from tests.retention.building import full_run, make_rule
from tests.telemetry.exporting import span, tell
from tests.telemetry.ungoverned import make_ungoverned
from tests.world import PASSWORD, POLICY

SIGN_IN_PAGE = "/accounts/login/"
BRACES = re.compile(r"{(\w+)}")


class Scene:
    """Makes what a line names when it is first asked for, with the builders every test uses."""

    @cached_property
    def writer(self) -> Robot:
        return robot_named("writer")

    @cached_property
    def waiting(self) -> tuple[ToolCall, Approval]:
        run = self.writer.api().post("/api/v1/runs", {"title": "Dispute INV-1042"}, format="json").json()
        save(self.writer, run["id"], {"step": "waiting"}, data_class="personal")
        return parked(self.writer, run_id=run["id"])

    @property
    def call(self) -> UUID:
        return self.waiting[0].id

    @property
    def run(self) -> UUID:
        return self.waiting[0].run_id

    @property
    def step(self) -> UUID:
        return Span.objects.filter(run_id=self.run).earliest("started_at", "id").id

    @property
    def approval(self) -> UUID:
        return self.waiting[1].id

    @cached_property
    def artifact(self) -> str:
        return str(send_file(self.writer, str(self.run), data_class="personal").json()["id"])

    @cached_property
    def ended_run(self) -> UUID:
        """It has ended, and holds something."""
        return full_run(self.writer, "ended").id

    @cached_property
    def retention_rule(self) -> UUID:
        return make_rule("calls", 90, process=self.process).id

    @cached_property
    def legal_hold(self) -> UUID:
        run = full_run(self.writer, "on-hold")
        return retention.place_legal_hold(actor=actor("chen"), process=run.process, run=run, reason="Case 4711").id

    @cached_property
    def unknown(self) -> UUID:
        return make_unknown(self.writer, "unknown").id

    @cached_property
    def ungoverned(self) -> UUID:
        return make_ungoverned(self.writer).id

    @cached_property
    def told_run(self) -> UUID:
        """In the trace of which its agent told of one step, with something to reveal."""
        one = span("chat", attributes={"gen_ai.operation.name": "chat", "gen_ai.prompt": "What the customer wrote"})
        tell(self.writer, one)
        header = {"traceparent": f"00-{one['trace']}-{one['span']}-01"}
        return UUID(
            self.writer.api().post("/api/v1/runs", {"title": "Told"}, format="json", headers=header).json()["id"]
        )

    @property
    def told_step(self) -> UUID:
        return rows_of(self.writer.actor, Run.objects.get(id=self.told_run), most=1)[0].id

    @cached_property
    def done_call(self) -> UUID:
        """What can be undone."""
        undone_by(BY_TICKET)
        return ToolCall.objects.get(run=run_of(self.writer, "130.00", tag="undoable")).id

    @property
    def done_run(self) -> UUID:
        return ToolCall.objects.get(id=self.done_call).run_id

    @cached_property
    def asked(self) -> UUID:
        call, approval = parked(self.writer, key="asked")
        approvals.cast_vote(
            actor=actor("felix"),
            approval_id=approval.id,
            verdict="request_changes",
            digest=approval.digest,
            reason_code="wrong_amount",
            comment="Less",
        )
        return call.id

    @cached_property
    def marked_call(self) -> UUID:
        mark(customer_id="personal")
        return parked(self.writer, key="marked")[0].id

    @cached_property
    def data_class_rule(self) -> UUID:
        process = Process.objects.get(slug="order-to-cash")
        rule = registry.set_data_class_rule(
            data_class="health", roles=["owner"], process=process, actor=system_actor("tests")
        )
        return rule.id

    @cached_property
    def look(self) -> UUID:
        return self.look_at("looked")

    def look_at(self, key: str) -> UUID:
        """A second look, drawn from what Felix approved under this key."""
        _, approved = parked(self.writer, key=key)
        approvals.cast_vote(actor=actor("felix"), approval_id=approved.id, verdict="approve", digest=approved.digest)
        drawn = {"team": Team.objects.get(slug="finance-approvers"), "drawn_at": clock.now()}
        return SecondLook.objects.get_or_create(approval=approved, defaults=drawn)[0].id

    @cached_property
    def endpoint(self) -> UUID:
        """Where no call of the scene goes."""
        erp = Connector.objects.get(slug="erp")
        endpoint = ConnectorEndpoint.objects.create(
            connector=erp, environment="sandbox", base_url="http://127.0.0.1:9", breaker={}
        )
        Breaker.objects.create(endpoint=endpoint, state="open", opened_at=clock.now(), probe_at=clock.now())
        return endpoint.id

    @cached_property
    def external(self) -> UUID:
        return self.ask_from_outside("external").id

    @cached_property
    def returned(self) -> UUID:
        return self._decided_outside("returned", "request_changes", reason_code="wrong_amount").id

    @cached_property
    def consented(self) -> UUID:
        return self._decided_outside("consented", "approve").id

    def ask_from_outside(self, key: str) -> ExternalRequest:
        answer = self.writer.api().post("/api/v1/approvals", {**OUTSIDE, "idempotency_key": key}, format="json")
        return ExternalRequest.objects.select_related("approval").get(id=answer.json()["id"])

    def _decided_outside(self, key: str, verdict: str, **more: str) -> ExternalRequest:
        asked = self.ask_from_outside(key)
        approval = asked.approval
        approvals.cast_vote(
            actor=actor("felix"), approval_id=approval.id, verdict=verdict, digest=approval.digest, **more
        )
        return asked

    @cached_property
    def snoozed(self) -> UUID:
        _, approval = parked(self.writer, key="snoozed")
        approvals.snooze(actor=actor("dana"), approval_id=approval.id, until=_in_an_hour())
        return approval.id

    @cached_property
    def held(self) -> UUID:
        _, approval = parked(self.writer, key="held")
        approvals.cast_vote(
            actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest, undo_seconds=60
        )
        return approval.id

    @cached_property
    def saved_view(self) -> UUID:
        return approvals.save_view(actor=actor("dana"), name="High risk", query="risk=high").id

    @cached_property
    def selection(self) -> UUID:
        return self._picked(self.approval)

    @cached_property
    def bulk(self) -> UUID:
        _, approval = parked(self.writer, key="bulk")
        selection = self._picked(approval.id)
        made = approvals.bulk_vote(actor=actor("dana"), selection_id=selection, verdict="approve", undo_seconds=60)
        BulkVote.objects.filter(id=made.id).update(state=BulkState.RUNNING, finished_at=None)
        return made.id

    def _picked(self, approval: UUID) -> UUID:
        return approvals.select(actor=actor("dana"), query=QueueFilter(), ids=[approval]).id

    @cached_property
    def halt(self) -> UUID:
        return self.place_halt("agent", "writer")

    @cached_property
    def mesh_halt(self) -> UUID:
        return self.place_halt("mesh", "")

    @cached_property
    def wide_halt(self) -> UUID:
        return self.place_halt("process", "order-to-cash")

    @cached_property
    def lifting_halt(self) -> UUID:
        halt_id = self.place_halt("process", "order-to-cash")
        halts.lift_halt(actor=actor("priya"), halt_id=halt_id, reason="Found and fixed")
        return halt_id

    @cached_property
    def rule(self) -> str:
        text = halts.RuleText(
            scope_type="agent",
            scope_reference="writer",
            environment="production",
            condition="consecutive_failures",
            threshold=5,
            window_seconds=300,
        )
        return halts.set_rule(actor=actor("priya"), slug="failing-writer", text=text).slug

    @cached_property
    def drill(self) -> UUID:
        return halts.schedule_drill(actor=actor("omar"), agent="writer", planned_for=_in_an_hour()).id

    def place_halt(self, scope_type: str, reference: str) -> UUID:
        return halts.place_halt(
            actor=actor("omar"),
            scope_type=scope_type,
            scope_reference=reference,
            environment="production",
            mode="hold",
            reason_code="drill",
        ).id

    @cached_property
    def budget(self) -> UUID:
        return make_budget(cap=10**12).id

    @cached_property
    def mesh_budget(self) -> UUID:
        return make_budget(cap=10**12, scope_type="mesh", scope_reference="").id

    @cached_property
    def rate(self) -> UUID:
        return make_rate(capacity=100_000, refill_per_second=100_000.0).id

    @cached_property
    def timed_run(self) -> UUID:
        body = {"title": "Within the hour", "time_budget_seconds": 3600}
        return UUID(self.writer.api().post("/api/v1/runs", body, format="json").json()["id"])

    @cached_property
    def run_hold(self) -> UUID:
        return self.hold_a_run("held")

    def hold_a_run(self, key: str) -> UUID:
        """Held for a repeat of what policy denies; the budget that allowed none is ended, so that nothing else is."""
        budget = make_budget(cap=1, measure="repeats", window="run")
        run = self.writer.api().post("/api/v1/runs", {"title": "In circles"}, format="json").json()
        body = {**CALL, "arguments": credit("1.00", "USD"), "run_id": run["id"]}
        refused = [
            self.writer.api().post("/api/v1/tool-calls", body | {"idempotency_key": f"{key}-{n}"}, format="json")
            for n in range(2)
        ][-1]
        budgets.end_budget(actor=system_actor("tests"), budget_id=budget.id, reason="Only one run was to be held")
        return UUID(refused.json()["run_hold"]["id"])

    @cached_property
    def token(self) -> UUID:
        return self._personal_token[0].id

    @cached_property
    def _personal_token(self) -> Any:
        return accounts.make_token(user=person("dana"), name="script", days=1, actor=actor("dana"))

    process = "order-to-cash"

    @cached_property
    def delegation(self) -> UUID:
        until = clock.now() + dt.timedelta(days=7)
        return approvals.delegate(actor=actor("dana"), receiver="felix", starts_at=clock.now(), ends_at=until).id

    @cached_property
    def limit(self) -> UUID:
        return approvals.set_limit(actor=actor("priya"), process=self.process, **LIMIT).id

    @cached_property
    def channel(self) -> UUID:
        return notifications.add_channel(actor=actor("dana"), **CHANNEL).id

    @cached_property
    def policy_draft(self) -> UUID:
        return raised("750.00").id

    @cached_property
    def policy_replay(self) -> UUID:
        """It waits for a worker."""
        return replays.replay_draft(actor=actor("priya"), draft_id=self.policy_draft).id

    @cached_property
    def carried_run(self) -> UUID:
        """With a call that was carried out."""
        run = self.writer.api().post("/api/v1/runs", {"title": "Dispute INV-1043"}, format="json").json()
        self.writer.call("180.00", key="of-ended-run", run_id=run["id"])
        self.writer.api().patch(f"/api/v1/runs/{run['id']}", {"state": "failed"}, format="json")
        return UUID(run["id"])

    @cached_property
    def run_replay(self) -> UUID:
        """It waits for a worker."""
        return replays.replay_run(actor=actor("omar"), run_id=self.carried_run).id

    @cached_property
    def policy_review(self) -> UUID:
        return sent(raised("800.00"), environment="staging").id

    @cached_property
    def tried(self) -> int:
        """A version that decides in the sandbox alone."""
        process = Process.objects.get(slug=self.process)
        return policies.publish_release(
            policy_set=self.process,
            process=process,
            text=POLICY,
            parameters=limit("650.00"),
            environments=["sandbox"],
            actor=system_actor("tests"),
        ).version

    @cached_property
    def policy_emergency(self) -> UUID:
        """The review of what Priya released alone in staging, which nobody answered in time."""
        assert self.tried and self.policy_review
        before = policies.publish_release(
            policy_set=self.process,
            process=Process.objects.get(slug=self.process),
            text=POLICY,
            parameters=limit("660.00"),
            environments=["staging"],
            actor=system_actor("tests"),
        )
        draft = policies.start_draft(actor=actor("priya"), policy_set=self.process, version=before.version)
        policies.save_draft(actor=actor("priya"), draft_id=draft.id, version=1, parameters=limit("670.00"))
        made = policies.release_in_emergency(
            actor=actor("priya"), draft_id=draft.id, version=2, environment="staging", reason="It cannot wait"
        )
        Approval.objects.filter(id=made.request.approval_id).update(expires_at=clock.now())
        approvals.expire_due()
        policies.answer_emergency_review(made.request_id)
        return made.request_id

    @cached_property
    def policy_exception(self) -> UUID:
        """In force, and of no use to anybody whose calls are looked at."""
        made = policies.request_exception(actor=actor("priya"), policy_set=self.process, **exception())
        assert made.approval is not None
        approvals.cast_vote(
            actor=actor("dana"), approval_id=made.approval.id, verdict="approve", digest=made.approval.digest
        )
        policies.answer_exception(made.id)
        return made.id

    def path_of(self, row: Row) -> str:
        return row.path.format_map({name: getattr(self, name) for name in BRACES.findall(row.path)})

    def headers_of(self, row: Row) -> dict[str, str]:
        """Of the state of the run, its first version was read."""
        if str(row) != SAVE_STATE:
            return {}
        return {"HTTP_IF_MATCH": StateVersion.objects.get(run=self.run).etag}

    def body_of(self, row: Row) -> dict[str, Any]:
        body = BODIES.get(f"{row.method} {row.path}", {})
        return body(self) if callable(body) else body

    def client_of(self, role: str, *, checks_csrf: bool = False) -> APIClient:
        client = APIClient(enforce_csrf_checks=checks_csrf, raise_request_exception=False)
        if role in AGENTS:
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {robot_named(role).token}")
        elif role == "script":
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {self._personal_token[1]}")
        elif role != "stranger":
            client.force_login(person(role), backend="django.contrib.auth.backends.ModelBackend")
        return client

    def ask(self, row: Row, role: str, *, checks_csrf: bool = False) -> Any:
        """Send the line as this role."""
        return self.send(row, self.client_of(role, checks_csrf=checks_csrf))

    def send(self, row: Row, client: Client) -> Any:
        client.defaults |= self.headers_of(row)
        return send(client, row.method, self.path_of(row), self.body_of(row))


def send(client: Client, method: str, path: str, body: dict[str, Any]) -> Any:
    """The API takes JSON, pages and the token endpoint take forms."""
    if method == "GET":
        return _whole(client.get(path))
    if path.startswith(("/api/", "/v1/")):
        return getattr(client, method.lower())(path, body, format="json")
    # past DRF's client, which would send JSON
    return Client.generic(client, method, path, urlencode(body), content_type="application/x-www-form-urlencoded")


def _whole(response: Any) -> Any:
    """The answer with what it streams at hand, read while its queries still count and its rows are still there."""
    if not response.streaming:
        return response
    return HttpResponse(b"".join(response.streaming_content), status=response.status_code, headers=response.headers)


def answer_of(response: Any) -> str:
    """The response in the words of the table."""
    if response.status_code == 302 and response["Location"].startswith(SIGN_IN_PAGE):
        return TO_SIGN_IN
    return str(response.status_code)


def undone(act: Callable[[], Any]) -> Any:
    """The act's result, everything it wrote taken back."""
    with transaction.atomic():
        result = act()
        transaction.set_rollback(True)
    return result


def _client_credentials(scene: Scene) -> dict[str, str]:
    made, secret = registry.make_credential(agent=scene.writer.agent, actor=system_actor("tests"))
    return {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": secret}


def _vote(scene: Scene) -> dict[str, str]:
    return {"verdict": "approve", "digest": scene.waiting[1].digest}


def _edit(scene: Scene) -> dict[str, Any]:
    return {"digest": scene.waiting[1].digest, "arguments": credit("900.00"), "comment": "Half of it"}


def _edit_form(scene: Scene) -> dict[str, str]:
    """Choices travel as JSON, so that a number and its text stay two things."""
    fields = {**credit("900.00"), "currency": '"EUR"', "reason_code": '"price_mismatch"'}
    return {f"argument-{name}": value for name, value in fields.items()} | {"digest": scene.waiting[1].digest}


def _in_an_hour() -> dt.datetime:
    return clock.now() + dt.timedelta(hours=1)


CALL = {"tool": "erp.issue_credit_memo", "arguments": credit("1280.00"), "idempotency_key": "table"}
OUTSIDE = {
    "idempotency_key": "table",
    "sentence": "Pay €12,480.00 to Acme GmbH for invoice 4471",
    "system": "Treasury gateway",
    "action": "pay_invoice",
    "stages": [{"team": "finance-approvers"}],
    "payload_sha256": "b" * 64,
}
HALT = {"environment": "production", "mode": "hold", "reason_code": "drill"}
ACKNOWLEDGEMENT = {"reason": "A test of the mailer", "execution_count": 1}
PRICE = {
    "model": "gpt-5",
    "currency": "USD",
    "input": "2.50",
    "output": "10.00",
    "effective_from": "2026-01-01T00:00:00Z",
}
FINDING = {"finding": "happened", "words": "In the ledger of today", "reference": "CM-17"}
BUDGET = {"environment": "production", "measure": "money", "window": "day", "currency": "EUR", "reason": "The board"}
RATE = {"environment": "production", "capacity": 5, "refill_per_second": 0.5}
RATE_FORM = {"environment": "production", "calls": "30", "period": "60", "capacity": "5", "reason": "The ERP is slow"}
RULE = {
    "slug": "failing",
    "environment": "production",
    "condition": "consecutive_failures",
    "threshold": 5,
    "window_seconds": 300,
    "least_calls": 10,
    "mode": "hold",
    "is_dry": True,
}
LIFT = {"reason": "Found and fixed"}
RECOVER = {"environment": "production", "reason": "Bad disk"}
SEND = {"version": 2, "environment": "production", "in_flight": "recheck", "message": "Fewer questions"}
SAVE = {"version": 2, "parameter-credit_alone": "760.00", "parameter-credit_cfo": "5000.00"}

ALONE = {"version": 2, "environment": "production", "reason": "It cannot wait"}


def _roll_back_alone(scene: Scene) -> dict[str, str]:
    """From the version that decides in the sandbox."""
    assert scene.tried == 2
    return {"environment": "sandbox", "reason": "It cannot wait"}


def exception() -> dict[str, Any]:
    """What is asked for, of an agent whose calls nobody looks at."""
    return {
        "environment": "production",
        "rules": ["credit-finance"],
        "tool": "erp.issue_credit_memo",
        "agent": "triage",
        "expires_at": clock.now() + dt.timedelta(days=1),
        "reason": "Quarter end",
    }


def _promote(scene: Scene) -> dict[str, str]:
    assert scene.tried == 2
    return {"environment": "production", "in_flight": "recheck", "message": "It went well"}


def _roll_back(scene: Scene) -> dict[str, str]:
    """From the version that decides in the sandbox."""
    assert scene.tried == 2
    return {"environment": "sandbox", "in_flight": "recheck", "message": "It went wrong"}


def _extension(scene: Scene) -> dict[str, Any]:
    return {"until": (clock.now() + dt.timedelta(hours=9)).isoformat(), "reason": "Waiting for the price list"}


def _absence(scene: Scene) -> dict[str, str]:
    until = clock.now() + dt.timedelta(days=7)
    return {"receiver": "felix", "starts_at": f"{clock.now():%Y-%m-%dT%H:%M}", "ends_at": f"{until:%Y-%m-%dT%H:%M}"}


def _delegation(scene: Scene) -> dict[str, str]:
    until = clock.now() + dt.timedelta(days=7)
    return {"receiver": "felix", "starts_at": clock.now().isoformat(), "ends_at": until.isoformat()}


SAVE_STATE = "PUT /api/v1/runs/{run}/state"
LIMIT: dict[str, Any] = {"team": "finance-approvers", "currency": "USD", "limit_minor": 500_000, "reason": "The board"}
RULES = {
    "work_days": "0",
    "work_starts": "08:00",
    "work_ends": "12:00",
    "undo_seconds": "5",
    "second_look_percent": "2",
}

CHANNEL = {"kind": "slack", "address": "https://hooks.slack.com/services/T0/B0/X0", "allows": "link"}

BODIES: dict[str, Any] = {
    "POST /retention/": {"content": "state", "process": "order-to-cash", "days": "90"},
    "POST /retention/holds/": lambda scene: {"run_id": str(scene.ended_run), "reason": "Case 4711"},
    "POST /retention/holds/{legal_hold}/lift/": LIFT,
    "POST /runs/{ended_run}/erase/": LIFT,
    "POST /api/v1/retention-rules": {"content": "state", "days": 90, "process": "order-to-cash"},
    "POST /api/v1/legal-holds": lambda scene: {"run_id": str(scene.ended_run), "reason": "Case 4711"},
    "POST /api/v1/legal-holds/{legal_hold}/lift": LIFT,
    "POST /api/v1/runs/{ended_run}/erase": LIFT,
    SAVE_STATE: {"step": "done"},
    "POST /runs/{run}/state/reveal/": {"reason": "Complaint 17"},
    "POST /api/v1/runs/{run}/state/reveal": {"reason": "Complaint 17"},
    "POST /runs/{run}/artifacts/{artifact}/reveal/": {"reason": "Complaint 17"},
    "POST /api/v1/runs/{run}/artifacts/{artifact}/reveal": {"reason": "Complaint 17"},
    "POST /api/v1/runs/{run}/artifacts?name=new.json": {"prices": [1, 2]},
    "POST /calls/{marked_call}/reveal/": {"reason": "Complaint 17"},
    "POST /api/v1/tool-calls/{marked_call}/reveal": {"reason": "Complaint 17"},
    "POST /runs/{told_run}/steps/{told_step}/reveal/": {"reason": "Complaint 17"},
    "POST /api/v1/runs/{told_run}/steps/{told_step}/reveal": {"reason": "Complaint 17"},
    "POST /api/v1/data-class-rules": {"data_class": "iban", "roles": ["owner"], "process": "order-to-cash"},
    "POST /notifications/read/": lambda scene: {"through": str(uuid7())},
    "POST /settings/notifications/preferences/": {"digest_hours": "8, 16"},
    "POST /settings/notifications/channels/": CHANNEL,
    "POST /accounts/reauthenticate/": {"password": PASSWORD},
    "POST /settings/absence/": _absence,
    "POST /settings/approvals/{process}/": RULES,
    "POST /settings/approvals/{process}/limits/": {
        "who": "team:finance-approvers",
        "currency": "EUR",
        "amount": "5000.00",
        "reason": "The board",
    },
    "POST /api/v1/delegations": _delegation,
    "POST /api/v1/processes/{process}/authority-limits": LIMIT,
    "PATCH /api/v1/processes/{process}/approval-rules": {"undo_seconds": 5},
    "POST /api/v1/approvals/{approval}/escalate": {"reason": "I cannot judge this"},
    "POST /api/v1/approvals/{approval}/extend": _extension,
    "POST /api/v1/second-looks/{look}/opinion": {"opinion": "agree"},
    "POST /accounts/login/": {"login": "dana", "password": PASSWORD},
    "POST /accounts/demo/": {"username": "omar"},
    "POST /inbox/views/": {"name": "As it is"},
    "POST /inbox/selection/": lambda scene: {"pick": f"{scene.approval}:1"},
    "POST /inbox/selection/{selection}/vote/": {"verdict": "approve"},
    "POST /inbox/{approval}/vote/": _vote,
    "POST /inbox/{approval}/delegate/": lambda scene: {"receiver": "felix", "until": f"{_in_an_hour():%Y-%m-%d}"},
    "POST /inbox/{approval}/snooze/": {"until": "hour"},
    "POST /inbox/{approval}/escalate/": {"reason": "Somebody who knows the contract should look"},
    "POST /inbox/{approval}/extend/": lambda scene: {
        "until": f"{_in_an_hour() + dt.timedelta(hours=8):%Y-%m-%dT%H:%M}",
        "reason": "The contract is in another office",
    },
    "POST /inbox/{approval}/edit/": _edit_form,
    "POST /inbox/second-looks/{look}/opinion/": {"opinion": "agree"},
    "POST /connectors/{endpoint}/reset/": {"reason": "It answers again"},
    "POST /api/v1/connectors/{endpoint}/reset": {"reason": "It answers again"},
    "POST /unknown/{unknown}/resolve/": FINDING,
    "POST /ungoverned/{ungoverned}/acknowledge/": ACKNOWLEDGEMENT,
    "POST /api/v1/ungoverned-actions/{ungoverned}/acknowledge": ACKNOWLEDGEMENT,
    "POST /api/v1/model-prices": PRICE,
    "POST /v1/traces": {"resourceSpans": []},
    "POST /api/v1/tool-calls/{unknown}/resolution": FINDING,
    "POST /budgets/": lambda scene: {**BUDGET, "scope": f"agent:{scene.writer.agent.id}", "cap": "5000.00"},
    "POST /budgets/{budget}/end/": LIFT,
    "POST /budgets/rates/": lambda scene: {**RATE_FORM, "scope": f"agent:{scene.writer.agent.id}"},
    "POST /budgets/rates/{rate}/end/": LIFT,
    "POST /budgets/{mesh_budget}/end/": LIFT,
    "POST /budgets/holds/{run_hold}/release/": LIFT,
    "POST /api/v1/budgets": {**BUDGET, "scope": {"type": "agent", "id": "writer"}, "cap": 500_000},
    "POST /api/v1/budgets/{budget}/end": LIFT,
    "POST /api/v1/budgets/{mesh_budget}/end": LIFT,
    "POST /api/v1/run-holds/{run_hold}/release": LIFT,
    "POST /api/v1/rates": {**RATE, "scope": {"type": "agent", "id": "writer"}},
    "POST /api/v1/rates/{rate}/end": LIFT,
    "POST /api/v1/usage": {"key": "model-1", "model": "m", "tokens": 1200, "cost": None},
    "POST /halts/": {**HALT, "scope": "agent:writer"},
    "POST /halts/rules/": {**RULE, "scope": "agent:writer"},
    "POST /halts/drills/": {"agent": "writer", "every_days": 7},
    "POST /halts/{halt}/lift/": LIFT,
    "POST /halts/{mesh_halt}/lift/": LIFT,
    "POST /halts/{wide_halt}/lift/": LIFT,
    "POST /policies/drafts/{policy_draft}/": SAVE,
    "POST /policies/drafts/{policy_draft}/check/": SAVE,
    "POST /policies/drafts/{policy_draft}/add-cases/": {"version": 2},
    "POST /policies/drafts/{policy_draft}/discard/": {"version": 2},
    "POST /policies/drafts/{policy_draft}/rebase/": {"version": 2},
    "POST /policies/drafts/{policy_draft}/send/": SEND,
    "POST /policies/{process}/recover/": RECOVER,
    "POST /policies/{process}/exceptions/": lambda scene: (
        exception() | {"rules": "credit-finance", "expires_at": f"{_in_an_hour():%Y-%m-%dT%H:%M}"}
    ),
    "POST /policies/exceptions/{policy_exception}/revoke/": LIFT,
    "POST /api/v1/policies/{process}/exceptions": lambda scene: exception() | {"expires_at": _in_an_hour().isoformat()},
    "POST /api/v1/policy-exceptions/{policy_exception}/revoke": LIFT,
    "POST /policies/drafts/{policy_draft}/release-alone/": ALONE,
    "POST /policies/{process}/versions/1/roll-back-alone/": _roll_back_alone,
    "POST /policies/reviews/{policy_emergency}/take-back/": LIFT,
    "POST /api/v1/policy-drafts/{policy_draft}/release-alone": ALONE,
    "POST /api/v1/policies/{process}/versions/1/roll-back-alone": _roll_back_alone,
    "POST /api/v1/policy-reviews/{policy_emergency}/take-back": LIFT,
    "POST /policies/{process}/versions/2/promote/": _promote,
    "POST /policies/{process}/versions/1/roll-back/": _roll_back,
    "POST /api/v1/tools/preview": {"tools": [{"name": "erp.find"}]},
    "POST /api/v1/policies/{process}/drafts": {"message": "Fewer questions"},
    "PUT /api/v1/policy-drafts/{policy_draft}": {"version": 2, "parameters": limit("760.00")},
    "POST /api/v1/policy-drafts/{policy_draft}/rebase": {"version": 2},
    "POST /api/v1/policy-drafts/{policy_draft}/discard": {"version": 2},
    "POST /api/v1/policy-drafts/{policy_draft}/send": SEND,
    "POST /api/v1/policies/{process}/recover": RECOVER,
    "POST /api/v1/policies/{process}/versions/2/promote": _promote,
    "POST /api/v1/policies/{process}/versions/1/roll-back": _roll_back,
    "POST /oauth/token": _client_credentials,
    "POST /api/v1/tool-calls": CALL,
    "POST /api/v1/authorize": CALL,
    "POST /api/v1/runs": {"title": "Dispute INV-1042"},
    "POST /runs/{carried_run}/replays/": {"under": "then"},
    "POST /runs/{timed_run}/extend/": {"seconds": "86400", "reason": "The bank is closed today"},
    "POST /api/v1/runs/{timed_run}/extend": lambda scene: {
        "until": (_in_an_hour() + dt.timedelta(days=1)).isoformat(),
        "reason": "The bank is closed today",
    },
    "PATCH /api/v1/runs/{run}": {"state": "succeeded"},
    "POST /api/v1/approvals": OUTSIDE,
    "POST /api/v1/approvals/{approval}/votes": _vote,
    "POST /api/v1/approvals/{approval}/edits": _edit,
    "POST /api/v1/tool-calls/{asked}/versions": {"arguments": credit("900.00"), "rationale": "Without the freight"},
    "POST /api/v1/approvals/{approval}/snooze": lambda scene: {"until": _in_an_hour().isoformat()},
    "POST /api/v1/approval-views": {"name": "Large", "query": "currency=EUR&amount_min=1000.00", "is_default": True},
    "POST /api/v1/approval-selections": {"query": "view=all", "ids": None, "verdict": "approve"},
    "PATCH /api/v1/approval-selections/{selection}": lambda scene: {"remove": [str(scene.approval)]},
    "POST /api/v1/approval-selections/{selection}/votes": {"verdict": "approve", "reason_code": "", "comment": ""},
    "POST /api/v1/external-approvals/{returned}/versions": {
        **OUTSIDE,
        "idempotency_key": "returned",
        "payload_sha256": "c" * 64,
    },
    "POST /api/v1/external-approvals/{consented}/claim": {"payload_sha256": "b" * 64},
    "POST /api/v1/halts": {**HALT, "scope": {"type": "agent", "id": "writer"}},
    "POST /api/v1/halt-rules": {**RULE, "scope": {"type": "agent", "id": "writer"}},
    "POST /api/v1/halt-drills": lambda scene: {"agent": "writer", "planned_for": _in_an_hour().isoformat()},
    "POST /api/v1/halts/{halt}/lift": LIFT,
    "POST /api/v1/halts/{mesh_halt}/lift": LIFT,
    "POST /api/v1/halts/{wide_halt}/lift": LIFT,
    "POST /api/v1/tokens": {"name": "script", "days": 7},
}
