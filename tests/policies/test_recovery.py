"""A release that cannot be read closes what it decides, says so everywhere, and is left behind in one act."""

from unittest.mock import patch

import pgtrigger
import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, Invalid, NotAllowed, NotFound
from apps.core.models import OutboxEvent
from apps.gateway.models import ToolCall
from apps.notifications.models import NewsKind, Notice
from apps.notifications.services import spread_due
from apps.policies import services
from apps.policies.models import PolicyRelease, UnreadableRelease
from apps.registry.models import Tool
from tests.conftest import actor, at_once, settle_news
from tests.policies.recovering import active, forget, spoil
from tests.policies.reviewing import SET, released
from tests.world import POLICY

pytestmark = pytest.mark.django_db
CALL = {"tool": "erp.issue_credit_memo"}
SENTENCE = "The policies order-to-cash@2 cannot be read: every call of order-to-cash in production is denied."


def recovered(who: str = "omar", policy_set: str = SET, environment: str = "production", reason: str = "Bad disk"):
    return services.recover_release(actor=actor(who), policy_set=policy_set, environment=environment, reason=reason)


@pytest.fixture
def broken(world):
    released()
    spoil(active())


def test_a_call_is_denied_with_a_code_and_a_sentence(writer, broken):
    answer = writer.call("180.00")
    assert (answer.status_code, answer.json()["state"]) == (403, "denied")
    error = answer.json()["error"]
    assert error["code"] == "policies_unreadable"
    assert "order-to-cash@2 cannot be read, so nothing is allowed" in str(error)


@pytest.mark.parametrize(
    "columns",
    [
        {"text": ""},
        {"text": "permit ("},
        {"text": "(" * 5_000},
        {"parameters": {}},
        {"parameters": []},
        {"parameters": {"credit_alone": 5}},
        {"cases": ["no case"], "text": "\ufffd\ufffd"},
        {"schema_hash": "0" * 64, "content_hash": "0" * 64},
    ],
)
def test_whatever_is_wrong_with_the_row_closes_and_every_page_of_the_set_is_shown(writer, sign_in, world, columns):
    released()
    spoil(active(), **columns)
    assert writer.call("180.00").json()["error"]["code"] == "policies_unreadable"
    client = sign_in("omar")
    for path in ("", "versions/2/", "versions/1/", "diff/?from=1&to=2", "versions/2/decisions/"):
        page = client.get(f"/policies/{SET}/{path}")
        assert page.status_code == 200, path
        assert SENTENCE in page.content.decode()
    assert recovered().source == PolicyRelease.objects.get(policy_set__slug=SET, version=1)
    assert writer.call("180.00", key="after").status_code == 200


def test_a_library_that_reads_it_otherwise_closes_it_and_the_process_goes_on(writer, sign_in, world):
    class PanicException(BaseException):
        """As the binding raises when Cedar itself fails."""

    forget()
    for fault in (ValueError("no"), PanicException("panic"), KeyError("staticPolicies")):
        with patch("apps.policies.releases.policies_to_json_str", side_effect=fault):
            forget()
            assert writer.call("180.00", key=repr(fault)).json()["error"]["code"] == "policies_unreadable"
            assert sign_in("omar").get("/inbox/").status_code == 200
    forget()
    with patch("apps.policies.evaluation.is_authorized", side_effect=PanicException("panic")):
        assert writer.call("180.00", key="asked").json()["state"] == "denied"


def test_only_its_own_processes_are_closed_and_global_closes_all(writer, world):
    released(environment="staging")
    spoil(active(environment="staging"))
    assert writer.call("180.00").status_code == 200
    spoil(active("global"))
    assert writer.call("180.00", key="other").json()["error"]["code"] == "policies_unreadable"
    assert recovered_conflict("global").code == "policy.nothing_readable"


def recovered_conflict(policy_set: str) -> Conflict:
    with pytest.raises(Conflict) as refusal:
        recovered(policy_set=policy_set)
    return refusal.value


@pytest.mark.parametrize("path", ["/inbox/", "/agents/", "/halts/", "/policies/", "/settings/", "/audit/"])
def test_every_page_says_so(sign_in, broken, path):
    assert SENTENCE in sign_in("omar").get(path).content.decode()


def test_a_stranger_learns_that_it_is_so_and_who_sees_nothing_of_it_nothing(client, sign_in, broken):
    assert "Policies cannot be read, and calls are denied." in client.get("/accounts/login/").content.decode()
    assert "cannot be read" not in sign_in("otto").get("/inbox/").content.decode()


def test_health_names_it_and_stays_ready(client, broken):
    answer = client.get("/readyz").json()
    assert answer["parts"]["policies"] == "1 active release cannot be read"
    recovered()
    assert client.get("/readyz").json()["parts"]["policies"] == "ok"


def test_one_act_goes_back(writer, sign_in, broken):
    client = sign_in("omar")
    page = client.get(f"/policies/{SET}/").content.decode()
    assert "Go back to version 1" in page
    answer = client.post(f"/policies/{SET}/recover/", {"environment": "production", "reason": "Bad disk"})
    assert answer.status_code == 302
    release = active()
    assert (release.version, release.source.version, release.message) == (3, 1, "Bad disk")
    assert (release.text, release.released_by) == (POLICY, actor("omar").key)
    assert writer.call("180.00").status_code == 200
    assert "cannot be read" not in client.get("/inbox/").content.decode()
    entry = AuditEntry.objects.get(code="policy.recovered")
    assert (entry.actor_key, entry.reason, entry.data["unreadable"]) == (actor("omar").key, "Bad disk", 2)
    assert OutboxEvent.objects.filter(name="PolicyReleased").exists()


def test_the_api_goes_back(api, broken):
    url = f"/api/v1/policies/{SET}/recover"
    wanted = {"environment": "production", "reason": "Bad disk"}
    assert api("omar").post(url, {"environment": "production"}, format="json").status_code == 422
    answer = api("omar").post(url, wanted, format="json")
    assert (answer.status_code, answer.json()["version"]) == (200, 3)
    again = api("omar").post(url, wanted, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "policy.readable")


def test_the_command_line_finds_it_and_goes_back(broken, capsys):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("policy", "check")
    assert SENTENCE in capsys.readouterr().err
    call_command("policy", "recover", "--set", SET, "--as", "priya", "--reason", "Bad disk")
    assert "order-to-cash@3 decides in production: version 1 again." in capsys.readouterr().out
    call_command("policy", "check")


@pytest.mark.parametrize("who", ["dana", "chen", "carla"])
def test_nobody_else_goes_back(broken, who):
    with pytest.raises(NotAllowed):
        recovered(who)


def test_who_does_not_see_the_set_and_programs_do_not_go_back(writer, broken):
    with pytest.raises(NotFound):
        recovered("otto")
    url = f"/api/v1/policies/{SET}/recover"
    answer = writer.api().post(url, {"environment": "production", "reason": "x"}, format="json")
    assert answer.json()["code"] == "people.only"


def test_there_is_no_going_back_from_what_can_be_read(world):
    released()
    assert recovered_conflict(SET).code == "policy.readable"
    with pytest.raises(Invalid, match="environment"):
        recovered(environment="moon")
    spoil(active())
    with pytest.raises(Invalid, match="Say why"):
        recovered(reason=" \0 ")


def test_what_is_spoilt_too_is_passed_over(world):
    for value in ("750.00", "760.00", "770.00"):
        released(value)
    for version in (4, 3):
        spoil(PolicyRelease.objects.get(policy_set__slug=SET, version=version))
    assert recovered().source.version == 2


def test_it_is_noted_and_told_once_and_crossed_out(broken):
    for _ in range(3):
        assert services.watch_releases() == 1
    noted = UnreadableRelease.objects.get()
    assert noted.why.startswith("The policies order-to-cash@2 cannot be read")
    assert AuditEntry.objects.filter(code="policy.unreadable").count() == 1
    settle_news()
    spread_due()
    told = Notice.objects.filter(news__kind=NewsKind.BROKEN)
    assert {notice.person.username for notice in told} == {"omar", "priya", "alex"}
    recovered()
    assert not UnreadableRelease.objects.exists()
    assert services.watch_releases() == 0


def test_what_one_process_notices_closes_in_those_that_have_read_it_before(writer, world):
    """A disk goes bad under a running process, which remembers what it read; another one reads the row."""
    released()
    assert writer.call("180.00").status_code == 200
    with pgtrigger.ignore("policies.PolicyRelease:immutable"):
        PolicyRelease.objects.filter(id=active().id).update(text="permit (")
    assert writer.call("180.00", key="remembered").status_code == 200
    services.watch_releases()
    assert writer.call("180.00", key="noted").json()["error"]["code"] == "policies_unreadable"
    with pgtrigger.ignore("policies.PolicyRelease:immutable"):
        PolicyRelease.objects.filter(id=active().id).update(text=POLICY)
    services.watch_releases()
    assert AuditEntry.objects.filter(code="policy.readable").exists()
    assert writer.call("180.00", key="mended").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_two_people_at_once_make_one_release(world):
    released()
    spoil(active())

    def go(who: str) -> str:
        try:
            return str(recovered(who).version)
        except Conflict as refusal:
            return refusal.code

    assert sorted(at_once([lambda: go("omar"), lambda: go("priya")])) == ["3", "policy.readable"]


def test_a_vault_that_takes_nothing_denies_and_the_next_call_goes_on(writer, erp):
    """The answer and its input commit together (I2): without the one there is not the other."""
    with (
        patch("apps.vault.services.insert", side_effect=OSError("gone")),
        patch("apps.vault.services.sealed", side_effect=OSError("gone")),
    ):
        answer = writer.call("180.00")
    assert (answer.status_code, answer.json()["code"]) == (500, "bug")
    assert not ToolCall.objects.exists()
    assert writer.call("180.00").status_code == 200
    assert len(erp.requests_of("/credit-memos")) == 1


def test_a_tool_that_is_gone_is_not_found_and_the_others_go_on(writer, world):
    """A policy that names it does no harm: it speaks of nothing."""
    Tool.objects.filter(name="erp.write_off").update(name="erp.write_off_2")
    forget()
    gone = writer.call("180.00", tool="erp.write_off", key="gone")
    assert (gone.status_code, gone.json()["code"]) == (404, "tool_not_found")
    assert writer.call("180.00", key="other").status_code == 200
    assert services.watch_releases() == 0
