"""Very many runs and steps, written by the database itself."""

from uuid import UUID

from django.db import connection

from apps.registry.models import Agent
from apps.runs.models import Run

RUNS = """
    INSERT INTO runs_run (id, process_id, environment, opened_by_id, title, business_key, state, is_implicit,
                          call_count, idempotency_key, started_at, ended_at)
    SELECT (lpad(to_hex(1600000000000 + n), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
           %s, 'production', %s, 'Dispute on invoice INV-' || n, 'INV-' || n,
           CASE WHEN n %% 1000 = 0 THEN 'open' WHEN n %% 50 = 0 THEN 'failed' ELSE 'succeeded' END, false,
           3, '', now() - make_interval(secs => %s - n),
           CASE WHEN n %% 1000 = 0 THEN NULL ELSE now() - make_interval(secs => %s - n - 5) END
    FROM generate_series(1, %s) AS n
"""
# Every tenth is a decision, every hundredth has failed, every thousandth waited for a person.
SPANS = """
    INSERT INTO runs_span (id, run_id, tool_call_id, kind, origin, status, name, actor_name, note, money_minor,
                           currency, started_at, ended_at, attributes)
    SELECT gen_random_uuid(), %(run)s,
           (lpad(to_hex(n / 10), 8, '0') || '-0000-7000-8000-000000000000')::uuid,
           CASE WHEN n %% 1000 = 0 THEN 'human_wait' WHEN n %% 10 = 0 THEN 'decision' ELSE 'tool' END, 'enforced',
           CASE WHEN n %% 100 = 1 THEN 'error' ELSE 'ok' END,
           CASE WHEN n %% 1000 = 0 THEN 'Waiting for Finance approvers'
                ELSE 'erp.tool_' || (n / 10) %% 100 END,
           'Order-to-cash writer', '', CASE WHEN n %% 10 = 5 THEN 18000 END,
           CASE WHEN n %% 10 = 5 THEN 'EUR' ELSE '' END,
           %(start)s + make_interval(secs => n * 0.1), %(start)s + make_interval(secs => n * 0.1 + 0.05 + n %% 7),
           CASE WHEN n %% 10 = 0 THEN
               '{"outcome": "allow", "policies": [{"id": "credit-alone", "version": 1}]}'
               ::jsonb ELSE '{"attempt": 1, "effect": "write", "idempotency_key": "k"}'::jsonb END
    FROM generate_series(1, %(count)s) AS n
"""


def many_runs(count: int) -> None:
    agent = Agent.objects.get(slug="writer")
    with connection.cursor() as cursor:
        cursor.execute(RUNS, [agent.process_id, agent.id, count, count, count])
        cursor.execute("ANALYZE runs_run")


def long_run(count: int) -> Run:
    """A run of so many steps, ten to a call."""
    agent = Agent.objects.get(slug="writer")
    with connection.cursor() as cursor:
        cursor.execute(RUNS, [agent.process_id, agent.id, 1, 1, 1])
        run = Run.objects.latest("id")
        cursor.execute(SPANS, {"run": run.id, "start": run.started_at, "count": count})
        cursor.execute("ANALYZE runs_span")
        cursor.execute(
            "UPDATE runs_run SET ended_at = started_at + make_interval(secs => %s) WHERE id = %s",
            [count * 0.1 + 10, run.id],
        )
    run.refresh_from_db()
    assert isinstance(run.id, UUID)
    return run
