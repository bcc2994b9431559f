"""A database that goes away is no bug of the caller: a problem that says when to ask again, and the same key works."""

import pytest
from django.db import OperationalError, connection

from tests.conftest import Robot
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_agent_is_told_to_ask_again(writer: Robot, erp: FakeErp) -> None:
    with pytest.raises(OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    answer = writer.call("180.00")
    connection.close()

    assert (answer.status_code, answer.json()["code"]) == (503, "database.unavailable")
    assert answer["Retry-After"] == "1"
    assert writer.call("180.00").status_code == 200
    assert len(erp.ledger) == 1
