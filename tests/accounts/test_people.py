"""Making people and teams."""

import pytest

from apps.accounts.models import Membership, Team, User
from apps.accounts.services import add_member, change_person, create_person, make_team
from apps.audit.models import AuditEntry
from apps.core.actor import Actor, system_actor
from apps.core.errors import NotAllowed
from tests.conftest import Robot, actor, person

pytestmark = pytest.mark.usefixtures("world")
SYSTEM = system_actor("test")


def create(password: str | None = None, who: Actor = SYSTEM) -> tuple[User, str | None]:
    return create_person(username="nina", email="Nina@EXAMPLE.com", name="Nina Berg", password=password, actor=who)


def log() -> list[str]:
    return list(AuditEntry.objects.order_by("seq").values_list("code", flat=True))


def test_a_password_is_made_where_none_is_given_and_told_once() -> None:
    user, password = create()
    assert password is not None
    assert len(password) >= 20
    assert user.check_password(password)
    assert password not in str(list(AuditEntry.objects.values()))


def test_a_given_password_is_used_and_not_told() -> None:
    user, password = create("correct horse")
    assert password is None
    assert user.check_password("correct horse")


def test_what_is_already_so_is_left_alone() -> None:
    user, _ = create()
    team = make_team(slug="night", name="Night shift", actor=SYSTEM)
    add_member(team=team, user=user, actor=SYSTEM)
    before = log()
    assert not change_person(user=user, email="Nina@example.com", name="Nina Berg", time_zone="UTC", actor=SYSTEM)
    assert make_team(slug="night", name="Night shift", actor=SYSTEM) == team
    add_member(team=team, user=user, actor=SYSTEM)
    assert log() == before


def test_changes_are_written_and_logged() -> None:
    user, _ = create()
    assert change_person(user=user, email="n@example.com", name="Nina", time_zone="Europe/Oslo", actor=SYSTEM)
    make_team(slug="cfo-office", name="Office of the CFO", actor=SYSTEM)
    user.refresh_from_db()
    assert (user.email, user.name, user.time_zone) == ("n@example.com", "Nina", "Europe/Oslo")
    assert Team.objects.get(slug="cfo-office").name == "Office of the CFO"
    assert log()[-3:] == ["person.created", "person.changed", "team.renamed"]
    changed = AuditEntry.objects.get(code="person.changed")
    assert changed.data == {"fields": ["email", "name", "time_zone"]}


@pytest.mark.parametrize("username", ["alex", "priya", "otto"])
def test_nobody_but_an_administrator_changes_people_and_teams(username: str, writer: Robot) -> None:
    team = Team.objects.get(slug="cfo-office")
    before = log()
    for who in (actor(username), writer.actor):
        for act in (
            lambda who=who: create(who=who),
            lambda who=who: change_person(user=person("dana"), email="", name="-", time_zone="UTC", actor=who),
            lambda who=who: make_team(slug="new", name="New", actor=who),
            lambda who=who: add_member(team=team, user=person(username), actor=who),
        ):
            with pytest.raises(NotAllowed):
                act()
    assert log() == before
    User.objects.filter(username=username).update(is_superuser=True)
    add_member(team=team, user=person(username), actor=actor(username))
    assert Membership.objects.filter(team=team, user=person(username)).exists()
