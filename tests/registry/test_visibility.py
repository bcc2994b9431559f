"""Who sees what and may do what: the one place every face asks."""

import datetime as dt
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import User
from apps.core import clock
from apps.core.actor import Actor, person_actor, system_actor
from apps.core.errors import NotAllowed, NotFound
from apps.core.ids import uuid7
from apps.registry.models import Agent, Grant, Process, Tool
from apps.registry.permissions import (
    APPROVE,
    AUDIT,
    GOVERN,
    HALT,
    MANAGE,
    OPERATE,
    PERMISSIONS,
    RELEASE_ALONE,
    RETAIN,
    REVEAL,
    VIEW,
)
from apps.registry.queries import (
    agent_for,
    agents_visible_to,
    holds,
    holds_mesh_wide,
    processes_visible_to,
    processes_where,
    require,
    require_mesh_wide,
    tools_visible_to,
)
from apps.registry.services import assign_role, give_grant, revoke_grant
from tests.conftest import Robot, actor, person

pytestmark = pytest.mark.usefixtures("world")

EVERY_PERMISSION = (VIEW, *(name for name, _ in PERMISSIONS))
SYSTEM = system_actor("test")
HELD = {
    "dana": {VIEW, AUDIT, APPROVE},
    "omar": {VIEW, AUDIT, HALT, OPERATE},
    "chen": {VIEW, AUDIT, REVEAL, RETAIN},
    "priya": {VIEW, AUDIT, HALT, GOVERN, OPERATE, REVEAL, RETAIN, RELEASE_ALONE},
    "alex": {VIEW, AUDIT, MANAGE},
    "otto": set(),
}


def slugs(rows: Any) -> set[str]:
    return set(rows.values_list("slug", flat=True))


def order_to_cash() -> Process:
    return Process.objects.get(slug="order-to-cash")


@pytest.mark.parametrize("username", HELD)
@pytest.mark.parametrize("permission", EVERY_PERMISSION)
def test_a_person_holds_what_their_role_gives_in_its_process_and_nothing_elsewhere(
    username: str, permission: str
) -> None:
    expected = {"order-to-cash"} if permission in HELD[username] else set()
    assert slugs(processes_where(actor(username), permission)) == expected
    assert holds(actor(username), permission, order_to_cash()) is bool(expected)
    assert not holds(actor(username), permission, Process.objects.get(slug="procure-to-pay"))


@pytest.mark.parametrize("permission", EVERY_PERMISSION)
def test_a_token_of_a_person_gives_that_persons_rights(permission: str) -> None:
    for username in HELD:
        with_token = processes_where(actor(username, via="token"), permission)
        assert slugs(with_token) == slugs(processes_where(actor(username), permission))


@pytest.mark.parametrize("permission", EVERY_PERMISSION)
def test_a_role_in_the_whole_mesh_holds_in_every_process(permission: str) -> None:
    assign_role(user=person("otto"), role="compliance", process=None, actor=SYSTEM)
    expected = {"order-to-cash", "procure-to-pay"} if permission in (VIEW, AUDIT, REVEAL, RETAIN) else set()
    assert slugs(processes_where(actor("otto"), permission)) == expected
    assert holds_mesh_wide(actor("otto"), permission) is bool(expected)
    assert not holds_mesh_wide(actor("chen"), permission)


@pytest.mark.parametrize("permission", EVERY_PERMISSION)
def test_a_superuser_and_the_products_own_jobs_hold_everything(permission: str) -> None:
    User.objects.filter(username="otto").update(is_superuser=True)
    for everybody in (actor("otto"), SYSTEM):
        assert processes_where(everybody, permission).count() == 2
        assert holds_mesh_wide(everybody, permission)
        require(everybody, permission, order_to_cash())
        require_mesh_wide(everybody, permission)


@pytest.mark.parametrize("permission", EVERY_PERMISSION)
def test_a_deactivated_person_holds_nothing_whatever_they_were_given(permission: str) -> None:
    assign_role(user=person("otto"), role="compliance", process=None, actor=SYSTEM)
    User.objects.filter(username="omar").update(is_superuser=True)
    User.objects.update(is_active=False)
    for username in HELD:
        assert not processes_where(actor(username), permission).exists()
        assert not holds_mesh_wide(actor(username), permission)


@pytest.mark.parametrize("permission", EVERY_PERMISSION)
def test_nobody_and_a_stranger_hold_nothing(permission: str) -> None:
    stranger = person_actor(user_id=uuid7(), name="Stranger", via="session")
    for someone in (None, stranger):
        assert not processes_where(someone, permission).exists()
        assert not holds(someone, permission, order_to_cash())
        assert not holds_mesh_wide(someone, permission)
        with pytest.raises(NotFound):
            require(someone, permission, order_to_cash())


@pytest.mark.parametrize("permission", EVERY_PERMISSION)
def test_an_agent_sees_its_own_process_and_holds_nothing_in_it(writer: Robot, permission: str) -> None:
    expected = {"order-to-cash"} if permission == VIEW else set()
    assert slugs(processes_where(writer.actor, permission)) == expected
    assert not holds_mesh_wide(writer.actor, permission)


def test_an_unseen_process_is_not_found_and_a_seen_one_without_the_permission_is_not_allowed() -> None:
    require(actor("omar"), HALT, order_to_cash())
    with pytest.raises(NotFound):
        require(actor("otto"), HALT, order_to_cash())
    with pytest.raises(NotAllowed) as refusal:
        require(actor("dana"), HALT, order_to_cash())
    assert refusal.value.code == "permission.missing"
    assert refusal.value.sentence == "You may not place or lift halts in Order to cash."


def test_what_belongs_to_no_process_needs_the_permission_for_the_whole_mesh() -> None:
    with pytest.raises(NotAllowed) as refusal:
        require_mesh_wide(actor("alex"), MANAGE)
    assert refusal.value.code == "permission.missing"
    assign_role(user=person("alex"), role="engineer", process=None, actor=SYSTEM)
    require_mesh_wide(actor("alex"), MANAGE)


def test_each_question_is_one_query(django_assert_num_queries: DjangoAssertNumQueries, writer: Robot) -> None:
    process, omar = order_to_cash(), actor("omar")
    for someone in (omar, writer.actor, SYSTEM):
        questions = [
            lambda who=someone: list(processes_visible_to(who)),
            lambda who=someone: holds(who, VIEW, process),
            lambda who=someone: require(who, VIEW, process),
            lambda who=someone: list(agents_visible_to(who)),
            lambda who=someone: agent_for(who, "writer").owner_team.slug,
            lambda who=someone: list(tools_visible_to(who)),
        ]
        for question in questions:
            with django_assert_num_queries(1):
                question()


def test_agents_are_seen_through_their_process(writer: Robot) -> None:
    assert slugs(agents_visible_to(actor("chen"))) == {"writer", "triage"}
    assert slugs(agents_visible_to(writer.actor)) == {"writer", "triage"}
    assert slugs(agents_visible_to(SYSTEM)) == {"writer", "triage", "payer"}
    assert not agents_visible_to(actor("otto")).exists()
    assert not agents_visible_to(None).exists()


def test_an_agent_is_found_by_id_and_by_slug() -> None:
    writer = Agent.objects.get(slug="writer")
    for name in (writer.id, str(writer.id), "writer"):
        assert agent_for(actor("omar"), name, need=HALT) == writer
        assert agent_for(SYSTEM, name, need=MANAGE, lock=True) == writer


@pytest.mark.parametrize("name", ["payer", "nobody", "", "wri\0ter", "0198c0de-0000-7000-8000-000000000000"])
def test_an_agent_that_is_unseen_or_unknown_is_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        agent_for(actor("omar"), name)


def test_an_agent_that_is_seen_without_the_needed_permission_is_not_allowed() -> None:
    with pytest.raises(NotAllowed) as refusal:
        agent_for(actor("omar"), "writer", need=MANAGE)
    assert refusal.value.sentence == "You may not change agents, tools and grants in Order to cash."


def tool_names(who: Actor | None) -> set[str]:
    return set(tools_visible_to(who).values_list("name", flat=True))


def test_an_agent_sees_the_tools_it_holds_a_grant_for_now(writer: Robot, time_passes: Any) -> None:
    robot = writer.actor
    assert tool_names(robot) == {"erp.issue_credit_memo", "erp.write_off", "erp.open_ticket", "erp.find"}
    revoke_grant(grant=Grant.objects.get(agent=writer.agent, tool__name="erp.write_off"), reason="-", actor=SYSTEM)
    tool = Tool.objects.get(name="erp.open_ticket")
    tomorrow = clock.now() + dt.timedelta(days=1)
    give_grant(agent=writer.agent, tool=tool, reason="Its job", expires_at=tomorrow, actor=SYSTEM)
    assert tool_names(robot) == {"erp.issue_credit_memo", "erp.open_ticket", "erp.find"}
    time_passes(days=1)
    assert tool_names(robot) == {"erp.issue_credit_memo", "erp.find"}


def test_a_person_sees_the_tools_of_the_agents_they_see_and_an_engineer_all() -> None:
    Grant.objects.filter(tool__name="erp.write_off").delete()
    assert tool_names(actor("dana")) == {"erp.issue_credit_memo", "erp.open_ticket", "erp.find"}
    assert tool_names(actor("alex")) == tool_names(SYSTEM) == set(Tool.objects.values_list("name", flat=True))
    assert tool_names(actor("otto")) == tool_names(None) == set()


def test_a_person_still_sees_a_tool_whose_grant_has_ended() -> None:
    for grant in Grant.objects.filter(tool__name="erp.write_off").select_related("agent__process", "tool"):
        revoke_grant(grant=grant, reason="-", actor=SYSTEM)
    assert "erp.write_off" in tool_names(actor("dana"))
