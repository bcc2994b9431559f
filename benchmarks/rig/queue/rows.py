"""Approvals by the million, written by PostgreSQL itself: legal rows, each with its stage, the decided ones with a
vote.

They share a thousand cards, since what a card says costs the queue nothing but its reading.
"""

from typing import Any

from django.db import connection

from apps.approvals.models import Approval

CARD_COUNT = 1000
# One in so many waits; the newest do.
PENDING_SHARE = 100

CARDS = """
INSERT INTO vault_payload (id, kind, subject, body, salt, digest, stored_at)
SELECT md5('card' || n)::uuid, 'approval.card', '', convert_to(json_build_object(
    'sentence', 'Credit €' || (500 + n) || '.00 to C-' || n || ' on invoice INV-' || n,
    'tool', 'erp.issue_credit_memo', 'tool_title', 'Issue a credit memo', 'tool_version', 1, 'system', 'ERP',
    'agent', 'writer', 'agent_name', 'Writer',
    'facts', json_build_array(json_build_array('Invoice', 'INV-' || n), json_build_array('Customer', 'C-' || n)),
    'why', json_build_array(json_build_object('says', 'Larger credit memos need one finance approver',
        'ref', 'credit-finance@3', 'set', 'order-to-cash')),
    'evidence', json_build_array(), 'statement', 'Billed too much.', 'confidence', 0.9, 'reversible', true)::text,
    'UTF8'), '\\x00', md5('card' || n) || md5('digest' || n), now()
FROM generate_series(0, %(cards)s - 1) n ON CONFLICT DO NOTHING
"""

APPROVALS = """
INSERT INTO approvals_approval (id, version, subject_type, subject_id, digest, card_id, process_id, environment,
    agent_id, barred_people, spent_people, risk, is_reversible, money_minor, currency, policy_ref, state,
    open_team_id, urgency, requested_at, milestones, next_milestone_at, escalations, expires_at, resolved_at)
SELECT id, 1, 'tool_call', id, md5(n::text) || md5('d' || n), md5('card' || n %% %(cards)s)::uuid,
    (SELECT id FROM registry_process WHERE slug = 'order-to-cash'), 'production',
    (SELECT id FROM registry_agent WHERE slug = 'writer'), '{}',
    CASE WHEN waits THEN '{}'::uuid[] ELSE ARRAY[voter] END,
    (ARRAY['low', 'medium', 'medium', 'medium', 'high'])[1 + n %% 5], n %% 5 <> 4,
    50000 + (n * 7919) %% 450000, CASE WHEN n %% 4 = 0 THEN 'USD' ELSE 'EUR' END, 'credit-finance@' || 1 + n %% 3,
    CASE WHEN waits THEN 'pending' WHEN n %% 20 = 0 THEN 'rejected' ELSE 'approved' END,
    CASE WHEN waits THEN
        (ARRAY(SELECT id FROM accounts_team WHERE slug = ANY(%(teams)s) ORDER BY slug))[1 + n %% 3] END,
    CASE WHEN waits THEN (ARRAY[0, 0, 0, 0, 0, 0, 1, 1, 2, 3])[1 + n %% 10] ELSE 0 END,
    asked, ARRAY[asked + interval '60 days', asked + interval '100 days', asked + interval '120 days'],
    CASE WHEN waits THEN asked + interval '60 days' END, '[]', asked + interval '120 days',
    CASE WHEN NOT waits THEN asked + interval '1 hour' END
FROM (
    SELECT n, %(id)s AS id, n >= %(decided)s AS waits,
        now() - interval '10 days' - interval '1 second' * (%(last)s - n) AS asked,
        (SELECT id FROM accounts_user WHERE username = 'root') AS voter
    FROM generate_series(%(first)s::bigint, %(last)s - 1) n
) row
"""
# The time of the row goes into its key, as the product's own keys have it.
ROW_ID = """(lpad(to_hex((extract(epoch FROM now() - interval '10 days') * 1000)::bigint - (%(last)s - n)), 12, '0')
    || '7' || substr(md5('r' || n), 1, 3) || '8' || substr(md5('s' || n), 1, 15))::uuid"""

STAGES = """
INSERT INTO approvals_stage (approval_id, position, team_id, quorum, carried_count, passed_at)
SELECT approval.id, 1, coalesce(open_team_id, (SELECT id FROM accounts_team WHERE slug = 'finance-approvers')), 1, 0,
    resolved_at
FROM approvals_approval approval
LEFT JOIN approvals_stage stage ON stage.approval_id = approval.id WHERE stage.id IS NULL
"""

VOTES = """
INSERT INTO approvals_vote (id, approval_id, stage_id, voter_id, verdict, reason_code, digest, via, cast_at)
SELECT approval.id, approval.id, stage.id, (SELECT id FROM accounts_user WHERE username = 'root'),
    CASE approval.state WHEN 'rejected' THEN 'reject' ELSE 'approve' END,
    CASE approval.state WHEN 'rejected' THEN 'other' ELSE '' END, approval.digest, 'session', approval.resolved_at
FROM approvals_approval approval JOIN approvals_stage stage ON stage.approval_id = approval.id
LEFT JOIN approvals_vote vote ON vote.approval_id = approval.id
WHERE approval.resolved_at IS NOT NULL AND vote.id IS NULL
"""

TABLES = ("approvals_approval", "approvals_stage", "approvals_vote")


def fill(total: int, *, teams: tuple[str, ...]) -> None:
    """Make the tables hold `total` approvals of which one in a hundred waits; what they held is removed."""
    first, decided = 0, total - total // PENDING_SHARE
    values: dict[str, Any] = {
        "first": first,
        "last": total,
        "decided": decided,
        "cards": CARD_COUNT,
        "teams": list(teams),
    }
    with connection.cursor() as cursor:
        # foreign keys are true by construction, and checking thirty million of them is not what is measured
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
        dropped = _drop_indexes(cursor)
        cursor.execute(CARDS, values)
        cursor.execute(APPROVALS.replace("%(id)s", ROW_ID), values)
        cursor.execute(STAGES)
        cursor.execute(VOTES)
        for definition in dropped:
            cursor.execute(definition)
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM ANALYZE " + ", ".join(TABLES))
    assert Approval.objects.filter(state="pending").count() == total // PENDING_SHARE


def _drop_indexes(cursor: Any) -> list[str]:
    """Drop every index that no constraint needs, and return how to make them again: building once is far quicker."""
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s) AND indexname NOT IN "
        "(SELECT conname FROM pg_constraint) AND indexdef NOT LIKE 'CREATE UNIQUE%%'",
        [list(TABLES)],
    )
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f'DROP INDEX "{name}"')
    return [definition for _, definition in found]
