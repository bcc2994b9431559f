"""A list of approvals as a file: the same filter, all its rows, in the order of the page."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.approvals.cards import cards_of
from apps.approvals.filters import QueueFilter
from apps.approvals.models import Approval
from apps.approvals.queries import progress_of
from apps.audit import services as audit
from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.export import Format, written
from apps.core.money import Money
from apps.registry.models import Agent, Process

# Rows are read, and their cards and votes looked up, this many at a time.
CHUNK_ROWS = 1000

COLUMNS = (
    "id",
    "url",
    "state",
    "risk",
    "sentence",
    "money_minor",
    "money",
    "currency",
    "agent",
    "process",
    "environment",
    "policy",
    "requested_at",
    "due_at",
    "expires_at",
    "resolved_at",
    "votes",
)
READ = (
    "card",
    "state",
    "risk",
    "money_minor",
    "currency",
    "agent",
    "process",
    "environment",
    "policy_ref",
    "requested_at",
    "milestones",
    "expires_at",
    "resolved_at",
)


def export(actor: Actor, query: QueueFilter, format: Format) -> Iterator[bytes]:
    """The file in pieces, read from one cursor: whatever is decided meanwhile, it is the list of one moment. That it
    was taken is in the log.
    """
    with transaction.atomic():
        audit.record(
            actor,
            "approvals.exported",
            subject_type="approval_list",
            subject_id=query.view,
            data={"filter": str(query), "format": format},
        )
    return written(format, COLUMNS, _rows(actor, query), asked=str(query) or f"view={query.view}")


def _rows(actor: Actor, query: QueueFilter) -> Iterator[tuple[Any, ...]]:
    # processes and agents are few: joined to each row they would be half of the work
    rows = query.apply(actor).order_by(*query.order()).select_related(None).only(*READ)
    found = rows.iterator(chunk_size=CHUNK_ROWS)
    while approvals := list(islice(found, CHUNK_ROWS)):
        yield from _cells(actor, approvals)


def _cells(actor: Actor, approvals: list[Approval]) -> Iterable[tuple[Any, ...]]:
    """Five queries for all of them."""
    cards, progress = cards_of(approvals, actor), progress_of(approvals)
    processes = Process.objects.in_bulk({approval.process_id for approval in approvals})
    agents = Agent.objects.in_bulk({approval.agent_id for approval in approvals if approval.agent_id})
    for approval in approvals:
        money = approval.money_minor
        given, needed = progress.get(approval.id, (0, 0))
        yield (
            str(approval.id),
            f"{settings.BASE_URL}/inbox/{approval.id}/",
            approval.state,
            approval.risk,
            cards[approval.id]["sentence"],
            money,
            str(Money(money, approval.currency)) if money is not None else None,
            approval.currency or None,
            agents[approval.agent_id].slug if approval.agent_id else None,
            processes[approval.process_id].slug,
            approval.environment,
            approval.policy_ref,
            rfc3339(approval.requested_at),
            rfc3339(approval.due_at),
            rfc3339(approval.expires_at),
            rfc3339(approval.resolved_at),
            f"{given}/{needed}",
        )
