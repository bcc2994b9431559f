"""All decisions of a rule and of a release: exact, page by page, by indexes that hold for ten million of them."""

import datetime as dt
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core import clock
from apps.core.errors import MeshError
from apps.core.ids import uuid7
from apps.gateway.decided import Asked, _ids, count_of, decided
from apps.gateway.models import Decision
from apps.policies.models import PolicyRelease
from tests.conftest import actor
from tests.policies.reviewing import SET, released

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(writer):
    return PolicyRelease.objects.select_related("policy_set").get(policy_set__slug=SET, version=1)


def of(page) -> list[tuple[str, str]]:
    return [(decision.outcome, decision.tool_call.idempotency_key) for decision in page.items]


def test_a_rule_leads_to_its_decisions_newest_first(writer, live):
    for number, amount in enumerate(["180.00", "900.00", "200.00", "7000.00"]):
        writer.call(amount, key=f"c{number}")
    dana = actor("dana")
    assert of(decided(dana, Asked(live, "credit-alone"))) == [("allow", "c2"), ("allow", "c0")]
    assert of(decided(dana, Asked(live, "credit-finance"))) == [("require_approval", "c1")]
    assert [key for _, key in of(decided(dana, Asked(live)))] == ["c3", "c2", "c1", "c0"]
    assert of(decided(dana, Asked(live, outcome="require_approval"))) == [
        ("require_approval", "c3"), ("require_approval", "c1"),
    ]  # fmt: skip
    assert [count_of(dana, Asked(live)), count_of(dana, Asked(live, "credit-alone"))] == [4, 2]
    assert count_of(dana, Asked(live), most=2) == 3
    assert of(decided(dana, Asked(live, "write-off"))) == []
    assert of(decided(actor("otto"), Asked(live))) == []
    later = released("800.00").release
    assert of(decided(dana, Asked(later, "credit-alone"))) == []


def test_of_the_global_set_one_sees_what_is_decided_in_ones_processes(writer):
    everywhere = PolicyRelease.objects.select_related("policy_set").get(policy_set__slug="global")
    writer.call("180.00", key="mine")
    assert of(decided(actor("dana"), Asked(everywhere))) == [("allow", "mine")]
    assert count_of(actor("dana"), Asked(everywhere)) == 1
    assert count_of(actor("otto"), Asked(everywhere)) == 0
    assert count_of(actor("otto"), Asked(everywhere), most=0) == 0
    writer.call("190.00", key="another")
    assert count_of(actor("otto"), Asked(everywhere), most=1) is None


def test_pages_follow_each_other_without_a_gap(writer, live):
    for number in range(5):
        writer.call("180.00", key=f"c{number}")
    dana, keys, cursor = actor("dana"), [], None
    while True:
        page = decided(dana, Asked(live, "credit-alone"), cursor=cursor, size=2)
        keys += [key for _, key in of(page)]
        cursor = page.next
        if cursor is None:
            break
    assert keys == ["c4", "c3", "c2", "c1", "c0"]
    with pytest.raises(MeshError) as error:
        decided(dana, Asked(live), cursor="nonsense")
    assert error.value.code == "page.bad_cursor"
    with pytest.raises(MeshError) as error:
        Asked(live, outcome="maybe")
    assert error.value.code == "decision.bad_filter"


def test_time_narrows_it(writer, live, time_passes):
    writer.call("180.00", key="early")
    now = clock.now()
    dana, hour = actor("dana"), dt.timedelta(hours=1)
    assert of(decided(dana, Asked(live, since=now - hour, until=now + hour))) == [("allow", "early")]
    assert of(decided(dana, Asked(live, until=now - hour))) == []
    assert of(decided(dana, Asked(live, since=now + hour))) == []


def fill(live: PolicyRelease, count: int, policies: list[str]) -> None:
    """Many decisions like the last one, in one statement."""
    like = Decision.objects.latest("id")
    named = json.dumps([{"id": name, "set": SET, "version": 1, "says": name} for name in policies])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO gateway_decision (id, tool_call_id, moment, outcome, policies, obligations, releases, errors,"
            " input_id, decided_at) SELECT (%s::text || lpad(to_hex(n), 12, '0'))::uuid, tool_call_id, moment, outcome,"
            " %s::jsonb, obligations, releases, errors, input_id, decided_at FROM gateway_decision,"
            " generate_series(1, %s) n WHERE id = %s",
            [str(uuid7())[:24], named, count, like.id],
        )


def test_a_decision_of_many_rules_is_found_by_each_once(writer, live):
    writer.call("180.00")
    names = [f"rule-{number}" for number in range(7)]
    fill(live, 3, names)
    for name in names:
        assert count_of(actor("dana"), Asked(live, name)) == 3, name


def test_the_indexes_serve_it_without_sorting_all(writer, live):
    """Whatever the rule: one that decides nearly everything, and one that decided once."""
    writer.call("180.00")
    fill(live, 20_000, ["credit-alone"])
    fill(live, 1, ["rare", "credit-alone"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE gateway_decision")
    for asked, index in ((Asked(live, "credit-alone"), "decision_by_rule_0"), (Asked(live), "decision_by_release_1")):
        plan, rows = explained(asked)
        assert index in plan
        assert "Seq Scan" not in plan
        assert rows <= 500
    assert count_of(actor("dana"), Asked(live, "credit-alone")) == 1001
    assert len(list(_ids(Asked(live, "rare"), None, 51))) == 1


def explained(asked: Asked) -> tuple[str, int]:
    """The plan of the newest fifty, and the most rows any step of it touched."""
    with CaptureQueriesContext(connection) as captured:
        assert len(list(_ids(asked, None, 51))) == 51
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {captured[0]['sql']}")
        plan = cursor.fetchone()[0]
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return json.dumps(plan), max(_rows(plan[0]["Plan"]))


def _rows(node):
    yield node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    for child in node.get("Plans", []):
        yield from _rows(child)
