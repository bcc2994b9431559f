"""Roles, and the permissions that follow from them."""

import pytest

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.core.actor import system_actor
from apps.core.errors import Invalid, NotAllowed
from apps.registry.models import Process, ProcessUserPermission, RoleAssignment
from apps.registry.permissions import ROLES
from apps.registry.services import assign_role, withdraw_role
from tests.conftest import actor, person

pytestmark = pytest.mark.usefixtures("world")
SYSTEM = system_actor("test")


def held_in(process: Process | None, username: str) -> set[str]:
    """What is derived: guardian's rows, or the global permissions."""
    if process is None:
        return set(person(username).user_permissions.values_list("codename", flat=True))
    rows = ProcessUserPermission.objects.filter(user=person(username), content_object=process)
    return set(rows.values_list("permission__codename", flat=True))


def order_to_cash() -> Process:
    return Process.objects.get(slug="order-to-cash")


@pytest.mark.parametrize("is_mesh_wide", [False, True])
@pytest.mark.parametrize("role", ROLES)
def test_a_role_gives_exactly_its_permissions(role: str, is_mesh_wide: bool) -> None:
    process = None if is_mesh_wide else order_to_cash()
    assign_role(user=person("otto"), role=role, process=process, actor=SYSTEM)
    assert held_in(process, "otto") == set(ROLES[role])
    withdraw_role(user=person("otto"), role=role, process=process, actor=SYSTEM)
    assert held_in(process, "otto") == set()


@pytest.mark.parametrize("is_mesh_wide", [False, True])
def test_what_another_role_gives_too_stays_when_one_is_withdrawn(is_mesh_wide: bool) -> None:
    process = None if is_mesh_wide else order_to_cash()
    for role in ("approver", "operator"):
        assign_role(user=person("otto"), role=role, process=process, actor=SYSTEM)
    assert held_in(process, "otto") == {*ROLES["approver"], *ROLES["operator"]}
    withdraw_role(user=person("otto"), role="approver", process=process, actor=SYSTEM)
    assert held_in(process, "otto") == set(ROLES["operator"])


def test_a_role_in_one_process_leaves_the_others_and_the_mesh_alone() -> None:
    other = Process.objects.get(slug="procure-to-pay")
    assign_role(user=person("dana"), role="operator", process=other, actor=SYSTEM)
    assert held_in(other, "dana") == set(ROLES["operator"])
    assert held_in(order_to_cash(), "dana") == set(ROLES["approver"])
    assert held_in(None, "dana") == set()


def test_assigning_and_withdrawing_are_logged_once_each() -> None:
    for _ in range(2):
        assign_role(user=person("otto"), role="viewer", process=order_to_cash(), actor=SYSTEM)
    for _ in range(2):
        withdraw_role(user=person("otto"), role="viewer", process=order_to_cash(), actor=SYSTEM)
    log = AuditEntry.objects.filter(subject_id=str(person("otto").id), code__startswith="role.").order_by("seq")
    assert [(entry.code, entry.process, entry.data) for entry in log] == [
        ("role.assigned", "order-to-cash", {"role": "viewer", "process": "order-to-cash"}),
        ("role.withdrawn", "order-to-cash", {"role": "viewer", "process": "order-to-cash"}),
    ]


def test_a_role_there_is_not_is_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        assign_role(user=person("otto"), role="king", process=None, actor=SYSTEM)
    assert refusal.value.code == "role.unknown"
    assert not RoleAssignment.objects.filter(user=person("otto")).exists()


@pytest.mark.parametrize("username", ["alex", "priya", "otto"])
def test_nobody_but_an_administrator_gives_or_takes_roles(username: str) -> None:
    for act in (assign_role, withdraw_role):
        with pytest.raises(NotAllowed):
            act(user=person("otto"), role="approver", process=order_to_cash(), actor=actor(username))
    assert held_in(order_to_cash(), "otto") == set()
    User.objects.filter(username=username).update(is_superuser=True)
    assign_role(user=person("otto"), role="approver", process=order_to_cash(), actor=actor(username))
    assert held_in(order_to_cash(), "otto") == set(ROLES["approver"])
