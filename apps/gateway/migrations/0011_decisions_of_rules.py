from django.db import migrations

# Of a decision's policies those up to here have an index of their own; of more there are few, and they share one.
POSITIONS = 4
# A call is decided by the global set and that of its process.
RELEASES = 2


def by_rule(position: int) -> str:
    where = f"(policies #>> '{{{position},set}}')"
    return (
        f"CREATE INDEX decision_by_rule_{position} ON gateway_decision ({where}, "
        f"(policies #>> '{{{position},version}}'), (policies #>> '{{{position},id}}'), outcome, id) "
        f"WHERE {where} IS NOT NULL"
    )


def by_release(position: int) -> str:
    where = f"(releases #>> '{{{position},set}}')"
    return (
        f"CREATE INDEX decision_by_release_{position} ON gateway_decision ({where}, "
        f"(releases #>> '{{{position},version}}'), outcome, id) WHERE {where} IS NOT NULL"
    )


# Not by containment (GIN): for a page of the newest the planner prefers the primary key to it, and reads everything.
MANY = f"CREATE INDEX decision_by_many_rules ON gateway_decision (id) WHERE jsonb_array_length(policies) > {POSITIONS}"


def index(sql: str) -> migrations.RunSQL:
    return migrations.RunSQL(sql, f"DROP INDEX {sql.split()[2]}")


class Migration(migrations.Migration):
    """From a rule, and from a release, to the decisions it determined, newest first. Expressions over JSON that no
    model can say; `apps.gateway.decided` asks with the same expressions.
    """

    dependencies = [("gateway", "0010_decisions_by_time")]

    operations = [
        *(index(by_rule(position)) for position in range(POSITIONS)),
        index(MANY),
        *(index(by_release(position)) for position in range(RELEASES)),
    ]
