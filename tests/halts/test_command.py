"""`manage halt`: the acts of the page with the database alone."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEntry
from apps.core.models import OutboxEvent
from apps.halts.models import Halt
from tests.conftest import Robot
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("halt", *words, stdout=out)
    return out.getvalue()


def placed(*more: str) -> str:
    return run("place", "agent", "writer", "--as", "omar", "--reason-code", "security", *more).splitlines()[0]


def test_it_holds_with_the_broker_and_workers_down(writer: Robot, erp: FakeErp, settings: Any) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    halt_id = placed("--reason", "Odd postings")
    entry = AuditEntry.objects.get(code="halt.placed")

    assert writer.call("10.00").status_code == 423
    assert (entry.actor_name, entry.reason, entry.data["via"]) == ("Omar Haddad", "Odd postings", "command")
    assert OutboxEvent.objects.filter(name="HaltPlaced").exists()
    assert halt_id in run("list", "--as", "omar")
    assert "Lifted" in run("lift", halt_id, "--as", "omar", "--reason", "Fixed")
    assert run("list", "--as", "omar") == "Nothing is halted.\n"
    assert writer.call("10.00").status_code == 200


def test_it_names_what_still_executes(writer: Robot, erp: FakeErp) -> None:
    erp.faults = ["500"]
    writer.call("10.00")
    told = run("place", "mesh", "--as", "omar", "--reason-code", "drill")
    assert "1 finishing" in told
    assert "still executing: erp.issue_credit_memo by writer INV-1042" in told


def test_a_wide_one_asks_a_second_person_here_too(writer: Robot) -> None:
    halt_id = run("place", "process", "order-to-cash", "--as", "omar", "--reason-code", "drill").splitlines()[0]
    assert "A second person has to agree" in run("lift", halt_id, "--as", "omar", "--reason", "Over")
    assert Halt.objects.get().lifted_at is None
    assert halt_id in run("list", "--as", "omar")


REFUSED = [
    (["place", "agent", "writer", "--as", "dana", "--reason-code", "drill"], "Only an operator"),
    (["place", "agent", "writer", "--as", "nobody", "--reason-code", "drill"], "no person"),
    (["place", "agent", "nobody", "--as", "omar", "--reason-code", "drill"], "There is no agent"),
    (["place", "agent", "writer", "--as", "omar", "--reason-code", "drill", "--hours", "-1"], "must end in the future"),
    (["lift", "one", "--as", "omar", "--reason", "x"], "by its id"),
    (["lift", "0198c0de-0000-7000-8000-000000000000", "--as", "omar", "--reason", "x"], "no such halt"),
    (["place", "agent", "writer", "--reason-code", "drill"], "--as"),
]


@pytest.mark.parametrize(("words", "says"), REFUSED)
def test_it_refuses_as_the_page_does(writer: Robot, words: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        run(*words)
    assert not Halt.objects.exists()
