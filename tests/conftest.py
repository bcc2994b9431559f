"""The cast, the world they work in, and the fakes at its outer edge."""

import datetime as dt
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.approvals.models import Approval
from apps.breakers import counting
from apps.core import backoff, clock, outbox
from apps.core.actor import Actor, person_actor
from apps.core.generations import GENERATIONS
from apps.core.models import Generation
from apps.gateway import services as gateway
from apps.gateway.models import ToolCall
from apps.registry import tokens
from apps.registry.models import Agent, AgentCredential, Process
from tests.fakes.erp import FakeErp, running_erp
from tests.world import document

# Playwright's synchronous API runs an event loop in the test's thread.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

HERE = Path(__file__).parent
# Browsers and whole installations.
SLOW = ("journeys", "accessibility", "queries")


@pytest.fixture(scope="session")
def erp_server() -> Iterator[FakeErp]:
    with running_erp() as erp:
        yield erp


@pytest.fixture
def erp(erp_server: FakeErp) -> FakeErp:
    """The business system behind every tool of the world, its ledger empty."""
    erp_server.reset()
    return erp_server


@pytest.fixture(scope="session")
def world_file(erp_server: FakeErp, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("world") / "world.json"
    file.write_text(json.dumps(document(erp_server.url)), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any, world_file: Path) -> None:
    """The world is there before the first test. Transactional tests flush by TRUNCATE, which the audit log forbids:
    only here.
    """
    with django_db_blocker.unblock():
        _drop_truncate_guards()
        _load(world_file)


def _drop_truncate_guards() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE 'pgtrigger_no_truncate%'"
        )
        for name, table in cursor.fetchall():
            cursor.execute(f'DROP TRIGGER "{name}" ON {table}')


def _load(world_file: Path) -> None:
    """With the marks that the migrations made: what has none is not remembered."""
    for name in GENERATIONS:
        Generation.objects.get_or_create(name=name, defaults={"mark": uuid4()})
    call_command("bootstrap", "--file", str(world_file), stdout=open(os.devnull, "w"))  # noqa: SIM115


@pytest.fixture
def world(db: None, world_file: Path, erp: FakeErp) -> FakeErp:
    """The world of `tests.world`, loaded again when a transactional test has flushed it."""
    if not Process.objects.exists():
        _load(world_file)
    return erp


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow files first: at the end one process would work at one of them alone."""
    items.sort(key=lambda item: item.path.relative_to(HERE).parts[0] not in SLOW)


@pytest.fixture(autouse=True)
def _the_world_first(request: pytest.FixtureRequest) -> None:
    """Before any other fixture reads from it: which test flushed it before depends on who ran where."""
    if request.node.get_closest_marker("django_db"):
        request.getfixturevalue("world")


@pytest.fixture(autouse=True)
def _no_failures_remembered() -> None:
    """What a process knows of how systems did lately is no business of the next test."""
    counting.forget()


@pytest.fixture(autouse=True)
def _waits_are_as_long_as_on_average() -> Iterator[None]:
    """Drawn by chance they would make tests of time pass by chance."""
    with backoff.fixed(0.5):
        yield


@dataclass(frozen=True)
class Robot:
    """An agent with its token, as a program outside would be."""

    agent: Agent
    credential: AgentCredential
    token: str

    @property
    def actor(self) -> Actor:
        return tokens.agent_for_token(self.token).actor

    def api(self) -> APIClient:
        client = APIClient(raise_request_exception=False)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {self.token}")
        return client

    def call(
        self, amount: str = "180.00", *, key: str = "k-1", tool: str = "erp.issue_credit_memo", **more: Any
    ) -> Any:
        """POST /api/v1/tool-calls."""
        body: dict[str, Any] = {"tool": tool, "arguments": credit(amount), "idempotency_key": key, **more}
        return self.api().post("/api/v1/tool-calls", body, format="json")


def credit(amount: str = "180.00", currency: str = "EUR", invoice: str = "INV-1042") -> dict[str, str]:
    return {
        "invoice_id": invoice,
        "customer_id": "C-204",
        "amount": amount,
        "currency": currency,
        "reason_code": "price_mismatch",
    }


def robot_named(slug: str) -> Robot:
    agent = Agent.objects.select_related("process", "owner_team", "built_by").get(slug=slug)
    credential = AgentCredential.objects.filter(agent=agent).earliest("made_at")
    return Robot(agent, credential, tokens.issue(credential)[0])


@pytest.fixture
def writer(world: FakeErp) -> Robot:
    return robot_named("writer")


@pytest.fixture
def triage(world: FakeErp) -> Robot:
    return robot_named("triage")


def person(username: str) -> User:
    return User.objects.get(username=username)


def actor(username: str, via: str = "session") -> Actor:
    user = person(username)
    return person_actor(user_id=user.id, name=user.name, via=via)


@pytest.fixture
def sign_in(world: FakeErp) -> Callable[[str], Client]:
    """A browser's session of one of the cast: sign_in("dana")."""

    def client_of(username: str) -> Client:
        client = Client(raise_request_exception=False)
        client.force_login(person(username), backend="django.contrib.auth.backends.ModelBackend")
        return client

    return client_of


@pytest.fixture
def api(world: FakeErp) -> Callable[[str], APIClient]:
    """The API with a person's session: api("dana")."""

    def client_of(username: str) -> APIClient:
        client = APIClient(raise_request_exception=False)
        client.force_login(person(username), backend="django.contrib.auth.backends.ModelBackend")
        return client

    return client_of


def parked(robot: Robot, amount: str = "1280.00", key: str = "k-1", **more: Any) -> tuple[ToolCall, Approval]:
    """A call that waits for people, with its approval."""
    answer = robot.call(amount, key=key, **more)
    assert answer.status_code == 202, answer.content
    call = ToolCall.objects.select_related("approval").get(id=answer.json()["id"])
    assert call.approval is not None
    return call, call.approval


def settle_news() -> None:
    """What the worker does after a commit: deliver the outbox, and carry out what that set going."""
    outbox.drain()
    for call_id in ToolCall.objects.filter(approval__resolved_at__isnull=False).values_list("id", flat=True):
        gateway.release_tool_call(call_id)


@pytest.fixture
def time_passes() -> Iterator[Callable[..., None]]:
    """time_passes(hours=9): the product's clock runs ahead until the end of the test."""

    def ahead(**amount: float) -> None:
        clock.shift(dt.timedelta(**amount))

    yield ahead
    clock.shift(dt.timedelta(0))


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """Run the works in threads that start together, each with a database connection of its own; their results in
    order.
    """
    barrier = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = works[index]()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The machine's own Chromium; root cannot use its sandbox."""
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    args = ["--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    if os.geteuid() == 0:
        args.append("--no-sandbox")
    return {**browser_type_launch_args, **({"executable_path": executable} if executable else {}), "args": args}
