"""The two pages: what was told, and what one wants to be told."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEntry
from apps.core.actor import system_actor
from apps.core.ids import uuid7
from apps.notifications.models import Channel, Notice, Preference, Rhythm
from apps.notifications.queries import MOST_COUNTED, unseen_count
from apps.registry import services as registry
from apps.registry.models import Process
from tests.conftest import Robot, actor, parked, person, robot_named
from tests.fakes.erp import FakeErp
from tests.notifications.receiver import Receiver
from tests.notifications.telling import connected, heard, spread, sweep

pytestmark = pytest.mark.django_db
SignIn = Callable[[str], Client]
LIST, SETTINGS = "/notifications/", "/settings/notifications/"


def page_of(client: Client, path: str = LIST) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_list_says_what_is_asked_and_leads_to_it(writer: Robot, sign_in: SignIn) -> None:
    _, approval = parked(writer)
    spread()
    page = page_of(sign_in("dana"))

    assert "Credit €1,280.00 to C-204 on invoice INV-1042" in page
    assert f'href="/inbox/{approval.id}/"' in page
    assert "New" in page


def test_nobody_reads_the_notices_of_another(writer: Robot, sign_in: SignIn) -> None:
    parked(writer)
    spread()

    assert "INV-1042" not in page_of(sign_in("carla"))
    assert "Nothing was told to you yet" in page_of(sign_in("carla"))


def test_what_one_may_not_see_any_more_is_not_quoted(writer: Robot, sign_in: SignIn) -> None:
    _, approval = parked(writer)
    spread()
    process = Process.objects.get(slug="order-to-cash")
    registry.withdraw_role(user=person("dana"), role="approver", process=process, actor=system_actor("tests"))
    page = page_of(sign_in("dana"))

    assert "It is no longer yours to see." in page
    assert "INV-1042" not in page
    assert str(approval.id) not in page


def test_mark_all_as_read_marks_what_was_shown(writer: Robot, sign_in: SignIn) -> None:
    parked(writer, key="shown")
    spread()
    dana = sign_in("dana")
    newest = Notice.objects.filter(person=person("dana")).latest("id")
    assert f'name="through" value="{newest.id}"' in page_of(dana)
    parked(writer, key="came meanwhile")
    spread()

    answer = dana.post("/notifications/read/", {"through": str(newest.id)})
    assert (answer.status_code, answer["Location"]) == (302, LIST)
    assert (unseen_count(actor("dana")), unseen_count(actor("felix"))) == (1, 2)
    entry = AuditEntry.objects.get(code="notices.read")
    assert (entry.actor_name, entry.data["count"]) == ("Dana Ruiz", 1)


def test_the_list_is_read_a_page_at_a_time(writer: Robot, sign_in: SignIn) -> None:
    parked(writer)
    spread()
    news = Notice.objects.filter(person=person("dana")).get().news
    for number in range(60):
        news.pk, news.key, news._state.adding = uuid7(), f"copy:{number}", True
        news.save()
        Notice.objects.create(person=person("dana"), news=news, kind="opened", made_at=news.happened_at)
    dana = sign_in("dana")
    first = page_of(dana)

    assert first.count('id="notice-') == 50
    [older] = [part.partition('"')[0] for part in first.split('href="') if part.startswith("?after=")]
    assert page_of(dana, LIST + older).count('id="notice-') == 11
    assert dana.get(f"{LIST}?after=nonsense").status_code == 422


def test_the_number_of_queries_does_not_grow(writer: Robot, receiver: Receiver, sign_in: SignIn) -> None:
    dana = sign_in("dana")
    counts: dict[str, list[int]] = {LIST: [], SETTINGS: []}
    for number in range(3):
        connected("dana", receiver)
        parked(writer, key=f"k-{number}")
        sweep()
        for path, found in counts.items():
            page_of(dana, path)  # fills what the process remembers
            with CaptureQueriesContext(connection) as captured:
                page_of(dana, path)
            found.append(len(captured))

    assert all(len(set(found)) == 1 for found in counts.values()), counts


def test_the_bell_counts_up_to_a_hundred(writer: Robot) -> None:
    parked(writer)
    spread()
    news = Notice.objects.filter(person=person("dana")).get().news
    for number in range(MOST_COUNTED + 5):
        news.pk, news.key, news._state.adding = uuid7(), f"copy:{number}", True
        news.save()
        Notice.objects.create(person=person("dana"), news=news, kind="opened", made_at=news.happened_at)

    assert unseen_count(actor("dana")) == MOST_COUNTED
    assert unseen_count(writer.actor) == 0
    assert unseen_count(system_actor("tests")) == 0


def test_preferences_are_saved(world: FakeErp, receiver: Receiver, sign_in: SignIn) -> None:
    channel = connected("dana", receiver)
    dana = sign_in("dana")
    form = {
        f"mode-{channel.id}-opened": "digest",
        f"mode-{channel.id}-overdue": "now",
        "mode-in_app-resolved": "never",
        f"allows-{channel.id}": "summary",
        "quiet_from": "20:00",
        "quiet_until": "07:30",
        "escalations_break_quiet": "on",
        "digest_hours": "15, 9",
    }
    answer = dana.post("/settings/notifications/preferences/", form)

    assert (answer.status_code, answer["Location"]) == (302, SETTINGS)
    kept = {(row.channel.kind, row.kind): row.mode for row in Preference.objects.select_related("channel")}
    assert kept == {("webhook", "opened"): "digest", ("in_app", "resolved"): "never"}, "defaults need no row"
    assert Channel.objects.get(id=channel.id).allows == "summary"
    rhythm = Rhythm.objects.get(person=person("dana"))
    assert (rhythm.quiet_from, rhythm.quiet_until) == (dt.time(20), dt.time(7, 30))
    assert (rhythm.escalations_break_quiet, rhythm.digest_hours) == (True, [9, 15])
    entry = AuditEntry.objects.get(code="notification_preferences.changed")
    assert "webhook opened: digest" in entry.data["changed"]
    page = page_of(dana, SETTINGS)
    assert 'value="20:00"' in page
    assert 'value="9, 15"' in page


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"quiet_from": "20:00", "digest_hours": "9"}, "Quiet hours need a beginning and an end."),
        ({"quiet_from": "8:00", "quiet_until": "08:00", "digest_hours": "9"}, "cannot end when they begin"),
        ({"digest_hours": "nine"}, "Write full hours"),
        ({"digest_hours": "24"}, "The last full hour of a day is 23."),
        ({"digest_hours": ""}, "required"),
        ({"mode-in_app-opened": "digest", "digest_hours": "9"}, "Select a valid choice"),
    ],
)
def test_a_refused_form_says_why_and_changes_nothing(
    world: FakeErp, sign_in: SignIn, form: dict[str, str], said: str
) -> None:
    answer = sign_in("dana").post("/settings/notifications/preferences/", form)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Rhythm.objects.exists()
    assert not Preference.objects.exists()


def test_failures_stand_on_the_page_with_the_way_on(writer: Robot, receiver: Receiver, sign_in: SignIn) -> None:
    channel = connected("dana", receiver)
    receiver.always = 500
    parked(writer)
    sweep()
    dana = sign_in("dana")
    page = page_of(dana, SETTINGS)
    assert "Failed once" in page
    assert "127.0.0.1 answered 500." in page
    assert "Will try again at" in page

    receiver.always = 200
    assert dana.post(f"/settings/notifications/channels/{channel.id}/retry/").status_code == 302
    sweep()
    page = page_of(dana, SETTINGS)
    assert "Works" in page
    assert "answered 500" not in page


def test_every_act_of_the_settings_page(world: FakeErp, receiver: Receiver, sign_in: SignIn) -> None:
    dana = sign_in("dana")
    form = {"kind": "webhook", "address": f"{receiver.url}/in", "allows": "link", "team": "finance-approvers"}
    assert dana.post("/settings/notifications/channels/", form).status_code == 302
    sweep()
    channel = Channel.objects.get(team__slug="finance-approvers")
    at = f"/settings/notifications/channels/{channel.id}"
    assert dana.post(f"{at}/test/").status_code == 302
    sweep()
    assert len(receiver.got) == 2

    assert dana.post(f"{at}/switch/").status_code == 302
    assert Channel.objects.get().disabled_at is not None
    assert dana.post(f"{at}/test/").status_code == 409
    assert dana.post(f"{at}/switch/", {"is_on": "1"}).status_code == 302
    assert Channel.objects.get().disabled_at is None
    assert dana.post(f"{at}/remove/").status_code == 302
    assert not Channel.objects.exists()
    codes = (
        AuditEntry.objects.filter(subject_type="notification_channel").order_by("seq").values_list("code", flat=True)
    )
    assert [code.partition(".")[2] for code in codes] == ["added", "tested", "switched_off", "switched_on", "removed"]


def test_a_given_up_message_is_told_in_the_list(writer: Robot, receiver: Receiver, sign_in: SignIn) -> None:
    channel = connected("dana", receiver)
    receiver.always = 404
    parked(writer)
    spread()
    channel.deliveries.update(attempt_count=7)
    sweep()
    page = page_of(sign_in("dana"))

    assert heard("dana") == ["opened", "failed"]
    assert "Webhook (127.0.0.1): a message was given up. 127.0.0.1 answered 404." in page
    assert f'href="{SETTINGS}"' in page


def test_programs_have_no_notices(world: FakeErp) -> None:
    client: Any = robot_named("writer").api()

    assert client.get(LIST).status_code == 302
    assert client.get(SETTINGS).status_code == 302
