"""What the table's lines need: the objects in their braces, the bodies of their acts, and a client for each role."""

from collections.abc import Callable
from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db import transaction
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts import services as accounts
from apps.approvals.models import Approval
from apps.core.actor import system_actor
from apps.gateway.models import ToolCall
from apps.halts import services as halts
from apps.registry import services as registry
from tests.access.table import AGENTS, TO_SIGN_IN, Row
from tests.conftest import Robot, actor, credit, parked, person, robot_named
from tests.world import PASSWORD

SIGN_IN_PAGE = "/accounts/login/"


class Scene:
    """Makes what a line names when it is first asked for, with the builders every test uses."""

    @cached_property
    def writer(self) -> Robot:
        return robot_named("writer")

    @cached_property
    def waiting(self) -> tuple[ToolCall, Approval]:
        run = self.writer.api().post("/api/v1/runs", {"title": "Dispute INV-1042"}, format="json").json()
        return parked(self.writer, run_id=run["id"])

    @property
    def call(self) -> UUID:
        return self.waiting[0].id

    @property
    def run(self) -> UUID:
        return self.waiting[0].run_id

    @property
    def approval(self) -> UUID:
        return self.waiting[1].id

    @cached_property
    def halt(self) -> UUID:
        return self.place_halt("agent", "writer")

    @cached_property
    def mesh_halt(self) -> UUID:
        return self.place_halt("mesh", "")

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
    def token(self) -> UUID:
        return self._personal_token[0].id

    @cached_property
    def _personal_token(self) -> Any:
        return accounts.make_token(user=person("dana"), name="script", days=1, actor=actor("dana"))

    def path_of(self, row: Row) -> str:
        names = ("approval", "call", "run", "halt", "mesh_halt", "token")
        return row.path.format_map({name: getattr(self, name) for name in names if f"{{{name}}}" in row.path})

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
        return send(client, row.method, self.path_of(row), self.body_of(row))


def send(client: Client, method: str, path: str, body: dict[str, Any]) -> Any:
    """The API takes JSON, pages and the token endpoint take forms."""
    if method == "GET":
        return client.get(path)
    if path.startswith("/api/"):
        return getattr(client, method.lower())(path, body, format="json")
    # past DRF's client, which would send JSON
    return Client.generic(client, method, path, urlencode(body), content_type="application/x-www-form-urlencoded")


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


CALL = {"tool": "erp.issue_credit_memo", "arguments": credit("1280.00"), "idempotency_key": "table"}
HALT = {"environment": "production", "mode": "hold", "reason_code": "drill"}
LIFT = {"reason": "Found and fixed"}

BODIES: dict[str, Any] = {
    "POST /accounts/login/": {"login": "dana", "password": PASSWORD},
    "POST /accounts/demo/": {"username": "omar"},
    "POST /inbox/{approval}/vote/": _vote,
    "POST /halts/": {**HALT, "scope": "agent:writer"},
    "POST /halts/{halt}/lift/": LIFT,
    "POST /halts/{mesh_halt}/lift/": LIFT,
    "POST /oauth/token": _client_credentials,
    "POST /api/v1/tool-calls": CALL,
    "POST /api/v1/authorize": CALL,
    "POST /api/v1/runs": {"title": "Dispute INV-1042"},
    "PATCH /api/v1/runs/{run}": {"state": "succeeded"},
    "POST /api/v1/approvals/{approval}/votes": _vote,
    "POST /api/v1/halts": {**HALT, "scope": {"type": "agent", "id": "writer"}},
    "POST /api/v1/halts/{halt}/lift": LIFT,
    "POST /api/v1/halts/{mesh_halt}/lift": LIFT,
    "POST /api/v1/tokens": {"name": "script", "days": 7},
}
