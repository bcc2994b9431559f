"""How people decide, in numbers: what each counts, that it equals its list, and who sees whose."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from apps.approvals import hygiene, services
from apps.approvals.filters import QueueFilter
from apps.approvals.hygiene import Burst, Figures
from apps.approvals.models import Approval, ConsentRules, SecondLook
from apps.core import clock
from apps.registry.models import Process
from tests.approvals.questions import KIND, vote
from tests.approvals.waiting import asked, fresh
from tests.conftest import Robot, actor, person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]
SignIn = Callable[[str], Client]
Ahead = Callable[..., None]


def process(slug: str = "order-to-cash") -> Process:
    return Process.objects.get(slug=slug)


def own(username: str = "dana") -> Figures:
    return hygiene.own_figures(actor(username), hygiene.midnight())


def text_of(page: Any) -> str:
    """The words of the page, tags and runs of blanks aside."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.content.decode()).replace("\N{NO-BREAK SPACE}", " ").split())


# --- what each number counts ------------------------------------------------------------------------------------------


def test_who_has_decided_nothing_has_no_numbers() -> None:
    assert own() == Figures(who=person("dana").id, name="Dana Ruiz")
    assert own().approve_percent is None
    assert hygiene.figures_by_person(process(), hygiene.midnight()) == []


def test_the_share_approved_counts_the_votes_that_stand() -> None:
    for verdict in ("approve", "approve", "approve", "reject"):
        vote("dana", asked(), verdict)
    figures = own()
    assert (figures.request_count, figures.decision_count, figures.approve_count) == (4, 4, 3)
    assert figures.approve_percent == 75


def test_a_vote_taken_back_counts_as_that_and_the_next_one_counts_once() -> None:
    approval = asked(reversible=True)
    vote("dana", approval, undo_seconds=30)
    services.withdraw_vote(actor=actor("dana"), approval_id=approval.id)
    taken_back = own()
    assert (taken_back.request_count, taken_back.decision_count, taken_back.withdrawn_count) == (1, 0, 1)
    vote("dana", fresh(approval), "reject")
    decided = own()
    assert (decided.request_count, decided.decision_count, decided.approve_count, decided.withdrawn_count) == (
        1,
        1,
        0,
        1,
    )


def test_the_median_is_of_the_cards_whose_time_is_known() -> None:
    for seconds in (2.0, 4.0, 40.0, None):
        vote("dana", asked(), dwell_seconds=seconds)
    assert (own().dwell_count, own().dwell_median_seconds) == (3, 4.0)
    vote("dana", asked(), dwell_seconds=5.0)
    assert own().dwell_median_seconds == 4.5


def test_the_largest_burst_is_the_most_within_any_minute(time_passes: Ahead) -> None:
    approvals = [asked(hours=100) for _ in range(8)]
    for approval, seconds in zip(approvals, (0, 50, 100, 110, 120, 130, 500, 900), strict=True):
        time_passes(seconds=seconds)
        vote("dana", approval)
    burst = own().burst
    assert burst is not None
    assert burst.count == 4  # from 100 to 130; the one at 50 is 80 seconds before the last
    assert burst.seconds == pytest.approx(30, abs=2)


def test_one_approval_or_many_rejections_are_no_burst() -> None:
    vote("dana", asked())
    for _ in range(3):
        vote("dana", asked(), "reject")
    assert own().burst is None


def test_what_had_to_be_undone_is_known_to_whoever_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    undone, kept, rejected = asked(), asked(), asked()
    vote("dana", undone), vote("dana", kept), vote("dana", rejected, "reject")

    def reversed_ids() -> "QuerySet[Any, Any]":
        return Approval.objects.filter(id__in=[undone.id, rejected.id]).values("subject_id")

    monkeypatch.setitem(hygiene._undone, KIND, reversed_ids)
    assert own().undone_count == 1
    assert hygiene.figures_by_person(process(), hygiene.midnight())[0].undone_count == 1


def test_second_looks_count_for_whoever_approved() -> None:
    ConsentRules.objects.create(process=process(), second_look_percent=100)
    for opinion in ("agree", "disagree", ""):
        approval = asked()
        vote("dana", approval)
        if opinion:
            look = SecondLook.objects.get(approval=approval)
            services.give_second_opinion(actor=actor("felix"), look_id=look.id, opinion=opinion, reason="See 4.2")
    assert (own().look_count, own().disagreed_count, own().disagreed_percent) == (2, 1, 50)
    assert own("felix").look_count == 0
    assert hygiene.figures_by_team(process(), hygiene.midnight())[0].disagreed_count == 1


def test_only_the_window_counts(time_passes: Ahead) -> None:
    vote("dana", asked())
    time_passes(days=40)
    vote("dana", asked())
    assert own().decision_count == 1
    assert hygiene.own_figures(actor("dana"), hygiene.midnight(90)).decision_count == 2


def test_people_and_teams_each_have_their_line() -> None:
    two = asked("finance-approvers:1, cfo-office:1")
    vote("dana", two), vote("carla", fresh(two), "reject"), vote("felix", asked())
    people = hygiene.figures_by_person(process(), hygiene.midnight())
    assert [(line.name, line.decision_count, line.approve_count) for line in people] == [
        ("Carla Meyer", 1, 0),
        ("Dana Ruiz", 1, 1),
        ("Felix Braun", 1, 1),
    ]
    teams = hygiene.figures_by_team(process(), hygiene.midnight())
    assert [(line.name, line.decision_count, line.approve_count, line.burst) for line in teams] == [
        ("CFO office", 1, 0, None),
        ("Finance approvers", 2, 2, None),
    ]
    assert hygiene.figures_by_person(process("procure-to-pay"), hygiene.midnight()) == []


def test_many_people_take_as_many_queries_as_one(django_assert_num_queries: Any) -> None:
    vote("dana", asked()), vote("felix", asked())
    since, of = hygiene.midnight(), process()
    with django_assert_num_queries(2):
        hygiene.figures_by_person(of, since)


# --- the alarm --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decisions", "approvals", "alarming"),
    [(29, 29, False), (30, 30, True), (50, 49, True), (50, 48, False), (0, 0, False)],
)
def test_the_alarm_sounds_from_thirty_decisions_of_which_nearly_all_approve(
    decisions: int, approvals: int, alarming: bool
) -> None:
    figures = Figures(who=person("dana").id, name="", decision_count=decisions, approve_count=approvals)
    assert figures.is_alarming is alarming


def test_alarms_name_who_approves_everything() -> None:
    for _ in range(hygiene.ALARM_DECISIONS):
        vote("dana", asked())
    vote("felix", asked())
    assert [line.name for line in hygiene.alarms(process(), hygiene.midnight())] == ["Dana Ruiz"]
    assert hygiene.alarms(process(), clock.now() + dt.timedelta(days=1)) == []


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_shows_my_numbers_with_what_they_count(sign_in: SignIn) -> None:
    for seconds in (3.0, 5.0):
        vote("dana", asked(), dwell_seconds=seconds)
    vote("dana", asked(), "reject", dwell_seconds=7.0)
    page = text_of(sign_in("dana").get("/inbox/hygiene/"))
    assert "66.7 % 2 of 3 Votes of yours that approve, of all your votes that stand." in page
    assert "Time per card 5.0 s" in page
    assert "You approved 2 in" in page


def test_the_number_of_requests_opens_exactly_these(sign_in: SignIn, time_passes: Ahead) -> None:
    vote("dana", asked())
    time_passes(days=40)
    vote("dana", asked())
    vote("felix", asked())
    taken_back = asked(reversible=True)
    vote("dana", taken_back, undo_seconds=30)
    services.withdraw_vote(actor=actor("dana"), approval_id=taken_back.id)

    page = sign_in("dana").get("/inbox/hygiene/").content.decode()
    [(query, number)] = re.findall(r'<a href="/inbox/\?([^"]+)">(\d+)</a>', page)
    listed = QueueFilter.parse(query.replace("&amp;", "&")).apply(actor("dana"))
    assert listed.count() == int(number) == own().request_count == 2


def test_without_a_decision_the_page_says_so(sign_in: SignIn) -> None:
    assert "You have decided nothing in this time" in text_of(sign_in("otto").get("/inbox/hygiene/"))


@pytest.mark.parametrize("days", ["7", "90", "-1", "99999999999", "x", ""])
def test_how_far_back_is_one_of_three(sign_in: SignIn, days: str) -> None:
    page = sign_in("dana").get("/inbox/hygiene/", {"days": days})
    chosen = days if days in ("7", "90") else "30"
    assert re.findall(r'days=(\d+)" aria-current="true"', page.content.decode()) == [chosen]


@pytest.mark.parametrize("username", ["priya", "chen", "alex", "omar"])
def test_who_answers_for_the_process_sees_its_approvers(sign_in: SignIn, username: str) -> None:
    vote("dana", asked())
    page = text_of(sign_in(username).get("/inbox/hygiene/", {"process": "order-to-cash"}))
    assert "Dana Ruiz 100.0 % 1 of 1" in page
    assert "Finance approvers" in page


@pytest.mark.parametrize("username", ["dana", "felix", "otto"])
def test_colleagues_do_not_see_each_others_numbers(sign_in: SignIn, username: str) -> None:
    vote("carla", asked("cfo-office:1"))
    client = sign_in(username)
    assert client.get("/inbox/hygiene/", {"process": "order-to-cash"}).status_code == 404
    assert "Carla" not in client.get("/inbox/hygiene/").content.decode()


def test_an_alarm_stands_over_the_table(sign_in: SignIn) -> None:
    for _ in range(hygiene.ALARM_DECISIONS):
        vote("dana", asked())
    page = text_of(sign_in("priya").get("/inbox/hygiene/", {"process": "order-to-cash"}))
    assert "Dana Ruiz approved 30 of 30. A rate near 100 % is an alarm" in page


def test_an_unknown_process_is_not_there(sign_in: SignIn) -> None:
    assert sign_in("priya").get("/inbox/hygiene/", {"process": "nowhere"}).status_code == 404


def test_an_agent_has_no_such_page(writer: Robot) -> None:
    assert writer.api().get(reverse("hygiene")).status_code == 302


def test_a_burst_reads_as_a_person_would_say_it(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    vote("dana", asked())
    monkeypatch.setattr(hygiene, "largest_bursts", lambda votes: {person("dana").id: Burst(14, 40.0)})
    assert "You approved 14 in 40 s" in text_of(sign_in("dana").get("/inbox/hygiene/"))
