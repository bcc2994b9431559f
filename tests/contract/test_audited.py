"""Whatever changes something is in the log, under the name of who did it (I2); and what was refused changed nothing."""

from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.actor import Actor
from tests.access.scene import Scene, undone
from tests.access.table import AGENTS, ROWS, TO_SIGN_IN, Row
from tests.conftest import actor, robot_named
from tests.contract.database import contents
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db

ACTS = [row for row in ROWS if row.is_act]
# Decides without a row, for gateways that carry out and log by themselves.
LEAVES_NOTHING = {
    "POST /api/v1/authorize",
    "POST /policies/drafts/{policy_draft}/check/",
    # the draft of the scene is up to date
    "POST /policies/drafts/{policy_draft}/rebase/",
    "POST /api/v1/policy-drafts/{policy_draft}/rebase",
}
NOT_HERE = {
    # what decides in the scene can be read
    "POST /policies/{process}/recover/",
    "POST /api/v1/policies/{process}/recover",
    # for whoever governs the whole mesh, and nobody of the cast does
    "POST /api/v1/model-prices",
    "POST /api/v1/tools/preview",
    # reports of what was done, and not acts
    "POST /v1/traces",
}
# Who these sign in or out is not who the request came from.
SIGN_INS = {"POST /accounts/login/": "dana", "POST /accounts/demo/": "omar", "POST /oauth/token": "writer"}
SIGN_IN, SIGN_OUT = "POST /accounts/login/", "POST /accounts/logout/"
WITHOUT_SESSION = ("stranger", "script", *AGENTS)


@pytest.fixture
def scene(world: FakeErp) -> Scene:
    return Scene()


def succeeds(row: Row, role: str) -> bool:
    if str(row) in (SIGN_IN, SIGN_OUT):
        return (role in WITHOUT_SESSION) == (str(row) == SIGN_IN)
    return row.answers[role][0] in "23" and row.answers[role] != TO_SIGN_IN


def who_acts(row: Row, role: str) -> Actor:
    name = SIGN_INS.get(str(row), role)
    return robot_named(name).actor if name in AGENTS else actor("dana" if name == "script" else name)


@pytest.mark.parametrize("row", [row for row in ACTS if str(row) not in LEAVES_NOTHING | NOT_HERE], ids=str)
def test_every_act_that_succeeds_is_in_the_log_under_its_actor(scene: Scene, row: Row) -> None:
    scene.path_of(row), scene.body_of(row)
    roles = [role for role in row.answers if succeeds(row, role)]
    logged = {role: undone(lambda role=role: _entries_of(scene, row, role)) for role in roles}  # type: ignore[misc]

    assert roles or "{mesh_" in row.path
    for role in roles:
        assert who_acts(row, role).key in {entry.actor_key for entry in logged[role]}, role
        assert all(entry.code and entry.subject_type and entry.subject_id for entry in logged[role])


def _entries_of(scene: Scene, row: Row, role: str) -> list[AuditEntry]:
    client = scene.client_of(role)
    last = max(AuditEntry.objects.values_list("seq", flat=True), default=0)
    answer: Any = scene.send(row, client)
    assert answer.status_code < 400, answer.content
    return list(AuditEntry.objects.filter(seq__gt=last))


@pytest.mark.parametrize("row", [row for row in ACTS if str(row) not in SIGN_INS], ids=str)
def test_an_act_that_is_refused_writes_nothing(scene: Scene, row: Row) -> None:
    scene.path_of(row), scene.body_of(row)
    refused = {role: scene.client_of(role) for role in row.answers if not succeeds(row, role)}
    before = contents()
    for role, client in refused.items():
        answer = scene.send(row, client)
        assert row.answers[role] in (TO_SIGN_IN, str(answer.status_code)), role
    assert contents() == before


@pytest.mark.parametrize("row", [row for row in ACTS if str(row) in LEAVES_NOTHING], ids=str)
def test_an_act_that_only_answers_leaves_nothing_behind(scene: Scene, row: Row) -> None:
    """A decision for another gateway, a draft looked through while it is typed."""
    role = next(role for role in row.answers if succeeds(row, role))
    scene.path_of(row), scene.body_of(row)
    client = scene.client_of(role)
    before = contents()
    answer: Any = scene.send(row, client)
    assert answer.status_code < 400, answer.content
    assert contents() == before
