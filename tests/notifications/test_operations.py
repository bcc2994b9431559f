"""Who hears of systems, halts, budgets and held runs: those who answer for the processes, once, and what is over no
more.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts import services as accounts
from apps.accounts.models import Membership, Team
from apps.breakers.models import Breaker
from apps.breakers.services import close_drained, reset_breaker
from apps.budgets.models import Measure, RunHold
from apps.budgets.services import release_run
from apps.core import clock
from apps.core.actor import system_actor
from apps.core.models import OutboxEvent
from apps.gateway.models import ToolCall
from apps.halts import services as halts
from apps.halts.models import Halt
from apps.notifications import services
from apps.notifications.models import Delivery, News, Notice
from apps.registry.models import ConnectorEndpoint, Grant
from tests.budgets.builders import make_budget
from tests.conftest import Robot, actor, person
from tests.fakes.erp import FakeErp
from tests.gateway.unknowns import maker_of_unknowns
from tests.halts.test_place_halt import halt, lift
from tests.notifications.receiver import Receiver
from tests.notifications.telling import connected, heard, prefer, spread, states, sweep

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]
SignIn = Callable[[str], Client]
NOWHERE = "http://127.0.0.1:9"


def again() -> None:
    """The same news a second time, as after a worker that died."""
    OutboxEvent.objects.update(delivered_at=None)
    sweep()


@pytest.fixture
def outage(writer: Robot, erp: FakeErp) -> Callable[[], None]:
    """Two calls in a row find nobody there, and the breaker opens."""
    ConnectorEndpoint.objects.update(breaker={"consecutive_failures": 2, "cooldown_seconds": 60})

    def breaks() -> None:
        ConnectorEndpoint.objects.update(base_url=NOWHERE)
        for number in range(2):
            writer.call(key=f"breaks-{number}-{clock.now():%f}")
        assert Breaker.objects.get().state == "open"

    return breaks


def reset() -> None:
    endpoint = ConnectorEndpoint.objects.select_related("connector").get()
    reset_breaker(actor=actor("omar"), endpoint=endpoint, reason="It is back")
    close_drained(endpoint.id)


def test_a_system_that_does_not_answer_is_told_to_who_answers_for_its_processes(
    outage: Callable[[], None], sign_in: SignIn
) -> None:
    outage()
    spread()
    again()

    assert heard("omar") == heard("priya") == heard("alex") == ["down"]
    assert heard("dana") == heard("otto") == []
    page = sign_in("omar").get("/notifications/").content.decode()
    assert "ERP (production) does not answer: it cannot be reached" in page
    assert f'href="/connectors/#connector-{ConnectorEndpoint.objects.get().id}"' in page


def test_whoever_operates_the_process_hears_of_it_without_being_in_a_team(outage: Callable[[], None]) -> None:
    Membership.objects.filter(user=person("omar")).delete()
    outage()
    spread()

    assert heard("omar") == ["down"]


def test_a_process_whose_agents_have_no_grant_for_it_hears_nothing(outage: Callable[[], None]) -> None:
    outage()
    Grant.objects.update(revoked_at=clock.now())
    spread()

    assert not Notice.objects.exists()


def test_its_return_is_told_and_the_outage_counts_as_read(outage: Callable[[], None]) -> None:
    outage()
    spread()
    reset()
    spread()
    again()

    assert heard("omar") == ["back"]


def test_what_was_over_before_it_could_be_told_is_told_to_nobody(
    outage: Callable[[], None], receiver: Receiver
) -> None:
    channel = connected("omar", receiver)
    outage()
    reset()
    sweep()

    assert (heard("omar"), states(channel), receiver.got) == ([], [], [])


def test_each_opening_is_news(outage: Callable[[], None]) -> None:
    for _ in range(2):
        outage()
        spread()
        reset()
        spread()

    assert Notice.objects.filter(person=person("omar"), kind="down").count() == 2
    assert Notice.objects.filter(person=person("omar"), kind="back").count() == 2


def test_a_message_says_no_more_than_its_channel_may(outage: Callable[[], None], receiver: Receiver) -> None:
    connected("omar", receiver)
    connected("priya", receiver, allows="summary")
    outage()
    sweep()

    said = sorted(receiver.messages)
    assert said[0].startswith("A system does not answer.\n\nhttp://localhost:8000/connectors/#connector-")
    assert said[1].startswith("System: ERP (production) does not answer: it cannot be reached\n\nhttp://")


def test_several_at_once_are_one_message_that_leads_to_the_list(
    outage: Callable[[], None], receiver: Receiver, api: Api
) -> None:
    connected("priya", receiver)
    outage()
    halt(api("omar"), "agent", "writer")
    sweep()

    [message] = receiver.messages
    assert "A system does not answer." in message
    assert "A halt was placed." in message
    assert "http://localhost:8000/notifications/" in message


def test_a_message_about_what_is_over_is_dropped(outage: Callable[[], None], receiver: Receiver) -> None:
    channel = connected("omar", receiver)
    outage()
    spread()
    reset()
    sweep()

    assert states(channel) == ["dropped", "sent"]
    assert receiver.messages[0].startswith("A system answers again.")


def test_a_halt_is_told_to_who_answers_for_what_it_touches_but_not_to_who_placed_it(api: Api, sign_in: SignIn) -> None:
    placed = halt(api("omar"), "agent", "writer").json()["id"]
    spread()
    again()

    assert (heard("omar"), heard("priya"), heard("alex"), heard("dana")) == ([], ["halted"], ["halted"], [])
    page = sign_in("priya").get("/notifications/").content.decode()
    assert "Placed: hold on Order-to-cash writer (production)" in page
    assert f'href="/halts/{placed}/"' in page


def test_lifting_it_is_told_to_the_others_and_placing_counts_as_read(api: Api) -> None:
    placed = halt(api("omar"), "agent", "writer").json()["id"]
    spread()
    assert lift(api("priya"), placed).status_code == 200
    spread()

    assert (heard("omar"), heard("priya"), heard("alex")) == (["lifted"], [], ["lifted"])


@pytest.mark.parametrize(
    ("mode", "says"),
    [("stop", "Its time ran out, and it goes on as a hold: stop on"), ("hold", "Its time ran out: hold on")],
)
def test_a_halt_whose_time_runs_out_is_told(api: Api, sign_in: SignIn, mode: str, says: str) -> None:
    halt(api("omar"), "agent", "writer", mode=mode)
    Halt.objects.update(expires_at=clock.now() - dt.timedelta(seconds=1))
    halts.tell_expired_halts()
    spread()

    assert heard("omar") == ["lifted"]
    assert says in sign_in("omar").get("/notifications/").content.decode()


def test_a_drill_disturbs_nobody(writer: Robot) -> None:
    halts.schedule_drill(actor=actor("omar"), agent="writer", planned_for=clock.now())
    halts.carry_out_drills()
    assert Halt.objects.exists()
    spread()

    assert not News.objects.exists()


def test_a_room_hears_what_somebody_of_its_team_hears(outage: Callable[[], None], receiver: Receiver) -> None:
    connected("omar", receiver, team="o2c-oncall")
    outage()
    sweep()

    assert receiver.messages[0].startswith("A system does not answer.")


def test_a_budget_at_80_percent_goes_into_the_digest_and_one_that_is_used_up_comes_at_once(
    writer: Robot, erp: FakeErp, receiver: Receiver
) -> None:
    make_budget(cap=20_000)
    channel = connected("omar", receiver)
    writer.call("180.00", key="k-1")
    sweep()
    assert states(channel) == ["waiting", "waiting"]

    writer.call("20.00", key="k-2")
    sweep()
    assert heard("omar") == ["budget", "budget", "spent"]
    assert receiver.messages[0].startswith("A budget is used up.")
    assert "€" not in receiver.messages[0]


def test_a_budget_that_was_raised_meanwhile_is_no_news(writer: Robot, erp: FakeErp, receiver: Receiver) -> None:
    make_budget(cap=18_000)
    channel = connected("omar", receiver)
    prefer("omar", channel, budget="now")
    writer.call("180.00")
    spread()
    make_budget(cap=100_000)
    services.send_due()

    assert set(states(channel)) == {"dropped"}


def test_a_held_run_is_told_to_the_team_of_its_agent_too(writer: Robot, erp: FakeErp) -> None:
    team = Team.objects.create(slug="makers", name="Makers")
    writer.agent.owner_team = team
    writer.agent.save(update_fields=["owner_team"])
    accounts.add_member(team=team, user=person("chen"), actor=system_actor("tests"))
    make_budget(cap=1, measure=Measure.REPEATS, window="run")
    run = writer.api().post("/api/v1/runs", {"title": "A"}, format="json").json()["id"]
    for number in range(2):
        writer.call("1.00", key=f"k{number}", run_id=run)
    spread()
    assert heard("chen") == heard("omar") == ["held"]

    release_run(actor=actor("omar"), hold_id=RunHold.objects.get().id, reason="It was a test")
    spread()
    assert heard("chen") == []


def test_nobody_who_may_not_see_it_hears_of_it(writer: Robot, erp: FakeErp) -> None:
    team = person("omar").teams.get()
    accounts.add_member(team=team, user=person("otto"), actor=system_actor("tests"))
    make_budget(cap=18_000)
    writer.call("180.00")
    spread()

    assert heard("otto") == []


def test_an_outcome_that_nobody_found_out_is_told_once_more(
    writer: Robot, erp: FakeErp, time_passes: Callable[..., None], settings: Any
) -> None:
    call = maker_of_unknowns(writer, erp, time_passes)()
    services.note_stale_outcomes()
    spread()
    assert heard("omar") == ["unknown"]

    ToolCall.objects.filter(id=call.id).update(
        finished_at=clock.now() - dt.timedelta(hours=settings.UNKNOWN_LIMIT_HOURS)
    )
    assert (services.note_stale_outcomes(), services.note_stale_outcomes()) == (1, 0)
    spread()
    assert heard("omar") == ["unknown", "stale"]


def test_a_person_can_say_never(outage: Callable[[], None], receiver: Receiver) -> None:
    channel = connected("omar", receiver)
    prefer("omar", channel, down="never")
    prefer("omar", None, down="never")
    outage()
    sweep()

    assert heard("omar") == []
    assert not Delivery.objects.filter(channel=channel, kind="down").exists()
