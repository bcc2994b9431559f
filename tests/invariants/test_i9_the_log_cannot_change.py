"""I9 (its first half): what was written down is never changed or removed, whoever asks the database."""

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError

from apps.approvals.models import Vote
from apps.audit.models import AuditEntry
from apps.gateway.models import Decision
from apps.policies.models import PolicyRelease
from tests.approvals.test_cast_vote import vote
from tests.conftest import APIClient, Robot, parked, person

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("table", [AuditEntry, Vote, Decision, PolicyRelease])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}"])
def test_rows_are_append_only_by_database_rule(writer: Robot, table: type, statement: str) -> None:
    _, approval = parked(writer)
    dana = APIClient()
    dana.force_login(person("dana"), backend="django.contrib.auth.backends.ModelBackend")
    vote(dana, approval)
    meta = table._meta  # type: ignore[attr-defined]
    assert table.objects.exists()  # type: ignore[attr-defined]
    key = meta.pk.column
    with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(meta.db_table, key, key))


@pytest.mark.django_db
def test_the_truncate_guard_is_part_of_the_migrations() -> None:
    names = {trigger.name for trigger in AuditEntry._meta.triggers}  # type: ignore[attr-defined]

    assert names == {"append_only", "no_truncate"}
