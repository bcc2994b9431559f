"""Who can do what, as page, file and API; of the agents one may see and of nobody else."""

import csv
import io

import pytest

from apps.core.actor import system_actor
from apps.policies.models import ActiveRelease
from apps.policies.who_may import rights_of
from apps.registry.models import Agent, Grant
from apps.registry.services import revoke_grant
from tests.policies.reviewing import SET, released

pytestmark = pytest.mark.django_db
CREDIT = "Credit memos: up to €500.00 alone; over €500.00 and up to €5,000.00 with one of finance-approvers within"


def shown(client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status, path
    return response.content.decode()


def test_an_agents_page_says_what_each_tool_comes_to(world, sign_in):
    client = sign_in("dana")
    page = shown(client, "/agents/writer/access/")
    assert CREDIT in page
    assert "“Write off”: with one of finance-approvers within 8 hours." in page
    assert "“Find by reference”: alone." in page
    assert f"/policies/{SET}/versions/1/" in page
    assert "/agents/writer/access/" in shown(client, "/agents/")
    released("750.00")
    assert "up to €750.00 alone" in shown(client, "/agents/writer/access/")


def test_a_revoked_grant_is_no_right_and_without_a_release_all_is_forbidden(world, sign_in):
    grant = Grant.objects.get(agent__slug="writer", tool__name="erp.write_off")
    revoke_grant(grant=grant, reason="Enough", actor=system_actor("tests"))
    page = shown(sign_in("dana"), "/agents/writer/access/")
    assert "Write off" not in page
    ActiveRelease.objects.all().delete()
    page = shown(sign_in("dana"), "/agents/writer/access/")
    assert "without policies nothing is allowed" in page
    assert "Depends" not in page


def test_a_set_says_who_can_do_what_with_each_tool(world, sign_in):
    page = shown(sign_in("dana"), f"/policies/{SET}/access/")
    for text in ("Order-to-cash writer", "Exception triage", "Find by reference", "Depends", "Asks people"):
        assert text in page, text
    assert "Payer" not in page
    assert "Who can do what" in shown(sign_in("dana"), f"/policies/{SET}/")


def test_the_file_has_the_same_with_its_trailer(world, sign_in):
    response = sign_in("dana").get("/agents/writer/access.csv")
    assert response["Content-Disposition"] == 'attachment; filename="access-writer.csv"'
    lines = list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode())))
    rows = {line[3]: line for line in lines[1:-1]}
    assert rows["erp.write_off"][5:7] == ["asks", "finance-approvers:1"]
    assert rows["erp.issue_credit_memo"][5::3] == ["depends", "global@1, order-to-cash@1"]
    assert "rows: 4" in lines[-1]


def test_the_api_says_the_same_with_each_rule(world, sign_in):
    client = sign_in("dana")
    items = client.get("/api/v1/agents/writer/access").json()["items"]
    credit = next(item for item in items if item["tool"] == "erp.issue_credit_memo")
    assert credit["answer"] == "depends"
    assert credit["clauses"][1] == {
        "set": SET,
        "version": 1,
        "policy": "credit-finance",
        "effect": "permit",
        "when": "over €500.00 and up to €5,000.00",
        "asks": "one of finance-approvers within 8 hours",
    }
    of_set = client.get(f"/api/v1/policies/{SET}/access").json()["items"]
    assert {item["agent"] for item in of_set} == {"writer", "triage"}


def test_many_agents_cost_no_more_queries_than_one(world, sign_in, django_assert_max_num_queries):
    agents = list(Agent.objects.select_related("process__owner_team", "owner_team"))
    with django_assert_max_num_queries(9):
        assert len(rights_of(agents)) == 7
