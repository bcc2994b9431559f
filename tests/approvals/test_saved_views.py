"""Filters kept under a name: one's own, one's team's, and the one the inbox opens with."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.approvals import services
from apps.approvals.filters import QueueFilter
from apps.approvals.models import SavedView
from apps.approvals.selection import views_of
from apps.approvals.services import queue
from apps.audit.models import AuditEntry
from apps.core.ids import uuid7
from tests.conftest import Robot, actor, at_once
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]
URL = "/api/v1/approval-views"


def save(client: APIClient, name: str = "High risk", query: str = "risk=high", **more: Any) -> Any:
    return client.post(URL, {"name": name, "query": query, **more}, format="json")


def names(username: str) -> list[str]:
    return list(views_of(actor(username)).values_list("name", flat=True))


def test_a_view_is_kept_and_leads_to_its_list(world: FakeErp, api: Api) -> None:
    dana = api("dana")
    answer = save(dana, query="?view=team&risk=high&sort=amount")

    assert answer.status_code == 201
    assert QueueFilter.parse(answer.json()["query"]) == QueueFilter(view="team", risk=("high",), sort="amount")
    assert dana.get(URL).json()["items"] == [answer.json()]
    assert (answer.json()["owner"], answer.json()["team"], answer.json()["is_default"]) == ("dana", None, False)
    [entry] = AuditEntry.objects.filter(code="view.saved")
    assert (entry.actor_key, entry.subject_name) == (actor("dana").key, "High risk")
    assert names("felix") == []


def test_saving_under_a_name_again_replaces_it(world: FakeErp, api: Api) -> None:
    dana = api("dana")
    first, second = save(dana).json(), save(dana, " High  risk ", "risk=low").json()

    assert first["id"] == second["id"]
    assert SavedView.objects.get().query == "risk=low"
    assert save(api("felix")).json()["id"] != first["id"]


def test_a_team_shares_a_view_and_only_who_made_it_deletes_it(world: FakeErp, api: Api) -> None:
    view = save(api("dana"), team="finance-approvers").json()
    url = f"{URL}/{view['id']}"

    assert names("dana") == names("felix") == ["High risk"]
    assert api("felix").get(URL).json()["items"] == [view]
    assert names("carla") == names("priya") == []
    assert api("felix").delete(url).json()["code"] == "view.not_yours"
    assert api("carla").delete(url).json()["code"] == "view.not_found"
    assert api("dana").delete(url).status_code == 204
    assert not SavedView.objects.exists()
    assert AuditEntry.objects.filter(code="view.deleted").count() == 1


def test_one_shares_with_ones_own_teams_alone(world: FakeErp, api: Api) -> None:
    for team in ("cfo-office", "no-such-team"):
        answer = save(api("dana"), team=team)
        assert (answer.status_code, answer.json()["code"]) == (404, "team.not_found")
    assert not SavedView.objects.exists()


def test_a_person_has_one_default(world: FakeErp, api: Api) -> None:
    dana = api("dana")
    save(dana, "One", is_default=True)
    save(dana, "Two", is_default=True)
    save(api("felix"), "One", is_default=True)
    save(dana, "Two", is_default=True)

    assert set(SavedView.objects.filter(is_default=True).values_list("owner__username", "name")) == {
        ("dana", "Two"),
        ("felix", "One"),
    }


@pytest.mark.django_db(transaction=True)
def test_two_defaults_at_once_are_one(world: FakeErp) -> None:
    dana = actor("dana")
    at_once(
        [
            lambda name=name: services.save_view(actor=dana, name=name, query="", is_default=True)  # type: ignore[misc]
            for name in ("One", "Two", "Three", "Three")
        ]
    )

    assert SavedView.objects.filter(is_default=True).count() == 1
    assert SavedView.objects.count() == 3


def test_the_number_of_views_has_an_end(world: FakeErp, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MOST_VIEWS", 2)
    dana = api("dana")
    save(dana, "One"), save(dana, "Two")

    assert save(dana, "Three").json()["code"] == "view.too_many"
    assert save(dana, "Two", "risk=low").status_code == 201


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no name": ({"name": " "}, "input.invalid", "/name"),
    "a long name": ({"name": "x" * 61}, "input.invalid", "/name"),
    "a name that rings": ({"name": "a\x07b"}, "view.bad_name", "/name"),
    "a null byte": ({"name": "a\0b"}, "input.invalid", "/name"),
    "a long query": ({"query": "q=" + "x" * 1000}, "input.invalid", "/query"),
    "a null byte in the query": ({"query": "q=a%00b"}, "filter.bad_value", "/q"),
    "what is no condition": ({"query": "risk=extreme"}, "filter.bad_value", "/risk"),
    "a name that is none": ({"query": "after=xyz"}, "filter.bad_value", "/after"),
    "a team that is no slug": ({"team": "a b"}, "input.invalid", "/team"),
}


@pytest.mark.parametrize(("change", "code", "pointer"), BAD.values(), ids=list(BAD))
def test_what_is_no_view_is_refused_with_a_pointer(
    world: FakeErp, api: Api, change: dict[str, Any], code: str, pointer: str
) -> None:
    answer = save(api("dana"), **{"name": "High risk", "query": "risk=high", **change})

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not SavedView.objects.exists()


def test_programs_keep_no_views(world: FakeErp, writer: Robot) -> None:
    assert writer.api().get(URL).status_code == save(writer.api()).status_code == 403
    assert writer.api().delete(f"{URL}/{uuid7()}").status_code == 403
    assert not views_of(writer.actor).exists()
