"""Saying once more who one is: the page, its refusals, and what the proof is good for (and for how long)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.approvals import services as approvals
from apps.approvals.models import Approval, Vote
from apps.audit.models import AuditEntry
from tests.conftest import Robot, actor, parked, person
from tests.world import PASSWORD

pytestmark = pytest.mark.usefixtures("world")
URL = "/accounts/reauthenticate/"
BACKEND = "django.contrib.auth.backends.ModelBackend"
SignIn = Callable[[str], Client]


@pytest.fixture(autouse=True)
def no_attempts_yet() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def log() -> list[tuple[str, str, str]]:
    entries = AuditEntry.objects.exclude(code="person.created").filter(code__startswith="person.").order_by("seq")
    return [(entry.code, entry.actor_key, entry.subject_id) for entry in entries]


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_asks_for_the_password_of_who_is_signed_in(sign_in: SignIn) -> None:
    page = sign_in("felix").get(URL).content.decode()
    assert "Confirm it is you" in page
    assert "Felix Braun" in page
    assert 'name="password"' in page
    assert "Sign in as" not in page


def test_a_stranger_signs_in_first_and_comes_back_to_it(client: Client) -> None:
    for answer in (client.get(f"{URL}?next=/runs/"), client.post(f"{URL}?next=/runs/", {"password": PASSWORD})):
        assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={URL}%3Fnext%3D/runs/")
    assert log() == []


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("/inbox/018f2d6a-0000-7000-8000-000000000000/", "/inbox/018f2d6a-0000-7000-8000-000000000000/"),
        ("/inbox/?view=team", "/inbox/?view=team"),
        ("https://evil.example/", "/inbox/"),
        ("//evil.example/", "/inbox/"),
        ("javascript:alert(1)", "/inbox/"),
        ("", "/inbox/"),
    ],
)
def test_the_password_leads_back_to_where_one_was_but_never_elsewhere(sign_in: SignIn, wanted: str, place: str) -> None:
    dana = sign_in("dana")
    page = dana.get(URL, {"next": wanted}).content.decode()
    answer = dana.post(URL, {"password": PASSWORD, "next": wanted})
    assert f'href="{place}"' in page
    assert (answer.status_code, answer["Location"]) == (302, place)


def test_it_is_in_the_log_and_ends_no_session(sign_in: SignIn) -> None:
    dana = sign_in("dana")
    dana.post(URL, {"password": PASSWORD})
    me = actor("dana")
    assert log()[-1] == ("person.confirmed", me.key, str(me.id))
    assert dana.get("/api/v1/tokens").status_code == 200


def test_a_wrong_password_is_refused_beside_its_field_and_logged(sign_in: SignIn) -> None:
    dana = sign_in("dana")
    answer = dana.post(URL, {"password": "wrong", "next": "/runs/"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Incorrect password" in page
    assert 'aria-describedby="id_password_error"' in page
    assert 'name="next" value="/runs/"' in page
    assert log()[-1] == ("person.sign_in_failed", "system:sign-in", str(person("dana").id))
    assert "wrong" not in str(list(AuditEntry.objects.values("data")))


def test_nobody_elses_password_will_do(sign_in: SignIn) -> None:
    carla = person("carla")
    carla.set_password("another staple altogether")
    carla.save()
    assert sign_in("dana").post(URL, {"password": "another staple altogether"}).status_code == 200
    assert AuditEntry.objects.filter(code="person.confirmed").count() == 0


def test_guessing_is_stopped_even_for_the_right_password(sign_in: SignIn, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {}
    dana = sign_in("dana")
    for _ in range(5):
        dana.post(URL, {"password": "guess"})
    assert "Too many failed login attempts" in dana.post(URL, {"password": PASSWORD}).content.decode()
    assert AuditEntry.objects.filter(code="person.confirmed").count() == 0


def test_asking_too_often_is_told_in_our_words(sign_in: SignIn, settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"reauthenticate": "2/m/user"}
    dana = sign_in("dana")
    answers = [dana.post(URL, {"password": PASSWORD}).status_code for _ in range(3)]
    assert answers == [302, 302, 429]
    assert "person.confirmed_too_often" in dana.post(URL, {"password": PASSWORD}).content.decode()
    assert sign_in("felix").post(URL, {"password": PASSWORD}).status_code == 302


def test_it_takes_the_csrf_token() -> None:
    careful = Client(enforce_csrf_checks=True, raise_request_exception=False)
    careful.force_login(person("dana"), backend=BACKEND)
    assert careful.post(URL, {"password": PASSWORD}).status_code == 403


# --- what the proof is good for ---------------------------------------------------------------------------------------


@pytest.fixture
def waiting(writer: Robot) -> Approval:
    """€1,280.00, in a process that asks again above €1,000.00."""
    approvals.change_rules(actor=actor("priya"), process="order-to-cash", step_up={"EUR": 100_000})
    return parked(writer)[1]


def vote(client: Client, approval: Approval, verdict: str = "approve", **more: str) -> Any:
    body = {"verdict": verdict, "digest": approval.digest, **more}
    return client.post(f"/api/v1/approvals/{approval.id}/votes", body, content_type="application/json")


def refused(answer: Any) -> bool:
    return (answer.status_code, answer.json()["code"]) == (403, "approval.step_up_needed") and not Vote.objects.exists()


def test_above_the_threshold_a_vote_needs_a_proof_and_with_it_passes(sign_in: SignIn, waiting: Approval) -> None:
    dana = sign_in("dana")
    assert refused(vote(dana, waiting))
    dana.post(URL, {"password": PASSWORD})
    assert vote(dana, waiting).status_code == 201


def test_a_wrong_password_proves_nothing(sign_in: SignIn, waiting: Approval) -> None:
    dana = sign_in("dana")
    dana.post(URL, {"password": "wrong"})
    assert refused(vote(dana, waiting))


def test_the_proof_lasts_five_minutes(sign_in: SignIn, waiting: Approval, time_passes: Callable[..., None]) -> None:
    dana = sign_in("dana")
    dana.post(URL, {"password": PASSWORD})
    time_passes(minutes=6)
    assert refused(vote(dana, waiting))
    time_passes(minutes=4)
    assert vote(dana, waiting).status_code == 201


def test_a_fresh_sign_in_is_a_proof(client: Client, waiting: Approval) -> None:
    client.post("/accounts/login/", {"login": "dana", "password": PASSWORD})
    assert vote(client, waiting).status_code == 201


def test_signing_out_ends_the_proof(sign_in: SignIn, client: Client, waiting: Approval) -> None:
    client.post("/accounts/login/", {"login": "dana", "password": PASSWORD})
    client.post("/accounts/logout/")
    client.force_login(person("dana"), backend=BACKEND)
    assert refused(vote(client, waiting))


def test_the_proof_is_that_persons_and_no_one_elses(client: Client, waiting: Approval) -> None:
    client.post("/accounts/login/", {"login": "felix", "password": PASSWORD})
    client.force_login(person("dana"), backend=BACKEND)
    assert refused(vote(client, waiting))


def test_a_rejection_needs_no_proof(sign_in: SignIn, waiting: Approval) -> None:
    assert vote(sign_in("dana"), waiting, "reject", reason_code="duplicate").status_code == 201


def test_a_personal_token_proves_nothing_of_the_moment(sign_in: SignIn, waiting: Approval) -> None:
    _, secret = accounts.make_token(user=person("dana"), name="script", days=1, actor=actor("dana"))
    script = APIClient(raise_request_exception=False)
    script.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    body = {"verdict": "approve", "digest": waiting.digest}
    sign_in("dana").post(URL, {"password": PASSWORD})
    assert refused(script.post(f"/api/v1/approvals/{waiting.id}/votes", body, format="json"))


def test_a_token_borrows_no_proof_of_a_session_beside_it(client: Client, waiting: Approval) -> None:
    client.post("/accounts/login/", {"login": "dana", "password": PASSWORD})
    _, secret = accounts.make_token(user=person("dana"), name="script", days=1, actor=actor("dana"))
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    assert refused(vote(client, waiting))


# --- the demo, whose people have no password to type ------------------------------------------------------------------


def test_a_click_of_the_demo_is_a_proof(client: Client, waiting: Approval, time_passes: Callable[..., None]) -> None:
    client.post("/accounts/demo/", {"username": "dana"})
    time_passes(minutes=6)
    assert refused(vote(client, waiting))
    time_passes(minutes=0)
    assert vote(client, waiting).status_code == 201


def test_in_a_demo_one_signs_in_again_by_the_button_and_comes_back(sign_in: SignIn, waiting: Approval) -> None:
    dana, card = sign_in("dana"), f"/inbox/{waiting.id}/"
    page = dana.get(URL, {"next": card}).content.decode()
    assert "Sign in as Dana Ruiz again" in page
    assert "Omar" not in page
    assert dana.post("/accounts/demo/", {"username": "dana", "next": card})["Location"] == card
    assert vote(dana, waiting).status_code == 201


def test_outside_of_a_demo_there_is_no_such_button(sign_in: SignIn, settings: Any) -> None:
    settings.DEMO = False
    assert "Sign in as" not in sign_in("dana").get(URL).content.decode()


def test_a_person_without_a_password_is_told_so(sign_in: SignIn) -> None:
    User.objects.filter(username="dana").update(password="!")
    assert sign_in("dana").get(URL).status_code == 403
