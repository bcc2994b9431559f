"""Very many runs, each in a trace of its own with what was enforced and what was reported; written by the database."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection

from apps.core import clock
from apps.registry.models import Agent
from apps.telemetry.partitions import make_partition

DAYS = 7
TITLE = "Dispute on invoice"
ENFORCED_OF_RUN = 3
# The trace of run n is the digest of its number, so that a reader can name it.
RUNS = """
    INSERT INTO runs_run (id, process_id, environment, opened_by_id, title, business_key, state, is_implicit,
                          call_count, idempotency_key, trace_id, started_at, ended_at)
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7000' || '8000'
            || lpad(to_hex(n), 12, '0'))::uuid,
           %(process)s, 'production', %(agent)s, %(title)s || ' INV-' || n, 'INV-' || n,
           CASE WHEN n %% 1000 = 0 THEN 'open' WHEN n %% 50 = 0 THEN 'failed' ELSE 'succeeded' END, false,
           3, '', md5(n::text)::uuid, moment, CASE WHEN n %% 1000 = 0 THEN NULL ELSE moment + interval '5 s' END
    FROM (SELECT n, %(end)s - make_interval(secs => (%(runs)s - n) * %(apart)s) AS moment
          FROM generate_series(1, %(runs)s) AS n) AS made
"""
ENFORCED = """
    INSERT INTO runs_span (id, run_id, kind, origin, status, name, actor_name, note, currency, started_at, ended_at,
                           attributes)
    SELECT gen_random_uuid(), run.id,
           CASE WHEN step = 2 AND run.state = 'open' THEN 'human_wait' WHEN step = 1 THEN 'decision' ELSE 'tool' END,
           'enforced', CASE WHEN run.state = 'open' AND step = 2 THEN 'open' ELSE 'ok' END,
           'erp.issue_credit_memo', 'Writer', '', '', run.started_at + make_interval(secs => step),
           CASE WHEN step = 2 AND run.state = 'open' THEN NULL
                ELSE run.started_at + make_interval(secs => step + 1) END,
           '{"outcome": "allow", "policies": [{"id": "credit-alone", "version": 1}]}'::jsonb
    FROM runs_run run, generate_series(1, %(steps)s) AS step
"""
# The key of a trace has the time of its run in it, and so has its partition.
TRACES = """
    INSERT INTO telemetry_trace (id, trace_id, process_id, environment, first_agent_id, first_seen_at)
    SELECT id, trace_id, process_id, environment, opened_by_id, started_at FROM runs_run
"""
REPORTED = """
    INSERT INTO telemetry_reportedspan (trace, span_id, parent_span_id, agent_id, received_at, started_ns, ended_ns,
        kind, status, marks, name, service, agent_name, error_type, provider, model, input_tokens, output_tokens,
        tool_name, tool_call_ref, attributes, payload)
    SELECT trace.id, step, CASE WHEN step > 1 THEN 1 END, trace.first_agent_id, trace.first_seen_at, began, began + 9e8,
        CASE WHEN step = 1 THEN 'turn' WHEN step %% 5 = 0 THEN 'tool' ELSE 'model' END, 'ok', 0, 'chat gpt-5',
        'refund-agent', 'refund_agent', '', 'openai', 'gpt-5', 120, 20, '', '',
        '{"gen_ai.operation.name":"chat","gen_ai.request.model":"gpt-5"}', repeat('what was said ', 20)
    FROM (SELECT *, (extract(epoch FROM first_seen_at) * 1e9)::bigint AS began FROM telemetry_trace) AS trace,
         generate_series(1, %(steps)s) AS step
"""
TABLES = ("runs_run", "runs_span", "telemetry_trace", "telemetry_reportedspan")


def fill(*, run_count: int, span_count: int) -> int:
    """So many runs over the last days, and about so many spans in all; returns how many there are."""
    end = clock.now()
    for ago in range(DAYS + 1):
        make_partition((end - dt.timedelta(days=ago)).date())
    agent = Agent.objects.get(slug="writer")
    made: dict[str, Any] = {"title": TITLE, "process": agent.process_id, "agent": agent.id}
    made |= {"runs": run_count, "end": end, "apart": DAYS * 86_400 / run_count}
    with connection.cursor() as cursor:
        cursor.execute(RUNS, made)
        cursor.execute(ENFORCED, {"steps": ENFORCED_OF_RUN})
        written = cursor.rowcount
        cursor.execute(TRACES)
        cursor.execute(REPORTED, {"steps": span_count // run_count - ENFORCED_OF_RUN})
        written += cursor.rowcount
        for table in TABLES:
            cursor.execute(f"ANALYZE {table}")
    return int(written)
