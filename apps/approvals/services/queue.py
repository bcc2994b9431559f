"""What people keep about their queue: what they put off, how they look at it, what they pick."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from apps.accounts.models import Team, User
from apps.approvals.ballots import is_over
from apps.approvals.filters import QueueFilter
from apps.approvals.models import BulkVote, SavedView, Selection, Snooze, Verdict
from apps.approvals.queries import approval_for
from apps.approvals.selection import (
    MOST_ROWS,
    Statement,
    frozen_changed,
    frozen_matching,
    frozen_named,
    selection_for,
    views_of,
)
from apps.approvals.telling import record
from apps.audit import services as audit
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed, NotFound
from apps.core.ids import uuid7

SELECTION_LASTS = dt.timedelta(hours=1)
LONGEST_NAME = 60
MOST_VIEWS = 100


# --- putting off
# -----------------------------------------------------------------------------------------------------------------


def snooze(*, actor: Actor, approval_id: UUID, until: dt.datetime) -> Snooze:
    """Put one approval out of one's own sight until then. Its clocks run on, so never beyond the time to decide it."""
    person = _person(actor)
    with transaction.atomic():
        approval = approval_for(actor, approval_id, lock=True)
        now = clock.now()
        if not approval.is_open or approval.settles_at is not None or is_over(approval, now):
            raise Conflict("approval.already_decided", "This waits for nobody any more.", state=approval.state)
        if until <= now:
            raise _wrong("snooze.in_the_past", "/until", "Choose a time that is still to come.")
        if until > approval.due_at:
            raise _wrong("snooze.beyond_due", "/until", "It has to be decided before that; choose an earlier time.")
        made, _ = Snooze.objects.update_or_create(
            approval=approval, person_id=person, defaults={"until": until, "made_at": now}
        )
        record(actor, "approval.snoozed", approval, outcome=approval.state, data={"until": until.isoformat()})
    return made


def unsnooze(*, actor: Actor, approval_id: UUID) -> None:
    """Bring it back at once. Raises NotFound when one has not put it off."""
    person = _person(actor)
    with transaction.atomic():
        approval = approval_for(actor, approval_id)
        gone, _ = Snooze.objects.filter(approval=approval, person=person).delete()
        if not gone:
            raise NotFound("snooze.not_found", "You have not put this off.")
        record(actor, "approval.unsnoozed", approval, outcome=approval.state)


# --- saved views
# -----------------------------------------------------------------------------------------------------------------


def save_view(*, actor: Actor, name: str, query: str, team: str | None = None, is_default: bool = False) -> SavedView:
    """Keep a filter under a name, in the place of one's own view of that name. With a team, its members see it too.

    A default is the person's own: the one they had before is none any more.
    """
    person = _person(actor)
    name = _name(name)
    canonical = str(QueueFilter.parse(query))
    with transaction.atomic():
        User.objects.select_for_update().get(id=person)  # one default each, also for who saves twice at once
        shared_with = _own_team(person, team) if team else None
        own = SavedView.objects.filter(owner=person)
        if own.exclude(name=name).count() >= MOST_VIEWS:
            raise Conflict("view.too_many", f"You have {MOST_VIEWS} views already; delete one first.")
        if is_default:
            own.filter(is_default=True).exclude(name=name).update(is_default=False)
        view, _ = SavedView.objects.update_or_create(
            owner_id=person,
            name=name,
            defaults={"query": canonical, "team": shared_with, "is_default": is_default, "made_at": clock.now()},
        )
        _record_view(actor, "view.saved", view)
    return view


def delete_view(*, actor: Actor, view_id: UUID) -> None:
    """Forget a view of one's own. What a colleague shares with the team is theirs to delete."""
    _person(actor)
    with transaction.atomic():
        view = views_of(actor).filter(id=view_id).first()
        if view is None:
            raise NotFound("view.not_found", "There is no such view.")
        if view.owner_id != actor.id:
            raise NotAllowed("view.not_yours", f"{view.owner} shares this view; only they can delete it.")
        _record_view(actor, "view.deleted", view)
        view.delete()


def _name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise _wrong("view.bad_name", "/name", f"A view needs a name of at most {LONGEST_NAME} characters.")
    return name


def _own_team(person: UUID, slug: str) -> Team:
    team = Team.objects.filter(slug=slug, members=person).first()
    if team is None:
        raise NotFound("team.not_found", "There is no such team of yours.")
    return team


def _record_view(actor: Actor, code: str, view: SavedView) -> None:
    audit.record(
        actor,
        code,
        subject_type="saved_view",
        subject_id=view.id,
        subject_name=view.name,
        data={"query": view.query, "team": view.team.slug if view.team else None, "is_default": view.is_default},
    )


# --- picking
# ---------------------------------------------------------------------------------------------------------------------


def select(
    *,
    actor: Actor,
    query: QueueFilter,
    ids: Sequence[UUID] | None = None,
    versions: Sequence[int] | None = None,
    verdict: str = Verdict.APPROVE,
) -> Selection:
    """Freeze what was picked, ids and versions in the order shown (I15): these rows and this page by their `ids`, and
    without ids all that the filter matches now. What this person could not vote on is left out and counted by reason.

    `versions`, in step with `ids`, are those the page showed: a row that has another one by now is left out as changed.
    `verdict` is what the selection is for: saying no needs no limit, and no look at each. Raises Invalid when it would
    be more than 100,000 rows.
    """
    person = _person(actor)
    if verdict not in Verdict.values:
        raise _wrong("approval.bad_verdict", "/verdict", f"A verdict is one of {', '.join(Verdict.values)}.")
    if ids is None:
        frozen = frozen_matching(actor, query, verdict)
    else:
        frozen = frozen_named(actor, *_once_each(ids, versions), verdict)
    now = clock.now()
    selection_id = uuid7()
    row = [selection_id, person, str(query), json.dumps({"verdict": verdict}), now, now + SELECTION_LASTS]
    with transaction.atomic():
        _forget_old_selections(person, now)
        _run(frozen, _INSERT, row)
        selection = selection_for(actor, selection_id)
        _check_size(selection)
        _record_selection(actor, "approval_selection.made", selection)
    return selection


def change_selection(
    *,
    actor: Actor,
    selection_id: UUID,
    add: Sequence[UUID] = (),
    versions: Sequence[int] | None = None,
    remove: Sequence[UUID] = (),
) -> Selection:
    """Pick some rows more, and others no more. What was added and cannot be voted on, and what has changed since it was
    frozen, is left out and counted by reason. Raises Conflict once the selection was voted on or is too old.

    `versions`, in step with `add`, are those the page showed.
    """
    with transaction.atomic():
        selection = open_selection(actor, selection_id)
        frozen = frozen_changed(actor, selection, *_once_each(add, versions), remove)
        _run(frozen, _UPDATE, [selection.id])
        selection = selection_for(actor, selection_id)
        _check_size(selection)
        _record_selection(actor, "approval_selection.changed", selection)
    return selection


def open_selection(actor: Actor, selection_id: UUID) -> Selection:
    """One's own selection, locked, as long as it can be changed and voted on."""
    selection = selection_for(actor, selection_id, lock=True)
    if BulkVote.objects.filter(selection=selection).exists():
        raise Conflict("selection.voted", "This selection has been voted on already.")
    if selection.expires_at <= clock.now():
        raise Conflict("selection.expired", "This selection is older than an hour. Select again what is there now.")
    return selection


_INSERT = """
INSERT INTO approvals_selection (id, owner_id, query, ids, versions, summary, made_at, expires_at)
SELECT %s, %s, %s, ids, versions, summary || %s::jsonb, %s, %s FROM frozen
"""
_UPDATE = """
UPDATE approvals_selection selection
SET ids = frozen.ids, versions = frozen.versions, summary = selection.summary || frozen.summary
FROM frozen WHERE selection.id = %s
"""


def _run(frozen: Statement, then: str, params: list[Any]) -> None:
    sql, given = frozen
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {sql} {then}", [*given, *params])


def _once_each(ids: Sequence[UUID], versions: Sequence[int] | None) -> tuple[list[UUID], list[int | None]]:
    """Each row once, where it stood first."""
    if versions is not None and len(versions) != len(ids):
        raise _wrong("selection.versions_differ", "/versions", "There has to be one version for each id.")
    seen: dict[UUID, int | None] = {}
    for place, approval_id in enumerate(ids):
        seen.setdefault(approval_id, versions[place] if versions is not None else None)
    if len(seen) > MOST_ROWS:
        raise _too_many()
    return list(seen), list(seen.values())


def _check_size(selection: Selection) -> None:
    left_out: list[dict[str, int]] = selection.summary["left_out"]
    if selection.summary["count"] + sum(row["count"] for row in left_out) > MOST_ROWS:
        raise _too_many()


def _forget_old_selections(person: UUID, now: dt.datetime) -> None:
    """They are long, and of use to nobody: what was voted on stays."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM approvals_selection selection WHERE owner_id = %s AND expires_at <= %s"
            " AND NOT EXISTS (SELECT FROM approvals_bulkvote WHERE selection_id = selection.id)",
            [person, now],
        )


def _record_selection(actor: Actor, code: str, selection: Selection) -> None:
    audit.record(
        actor,
        code,
        subject_type="approval_selection",
        subject_id=selection.id,
        data={"query": selection.query, "count": selection.summary["count"]},
    )


def _too_many() -> Invalid:
    return Invalid("selection.too_many", f"More than {MOST_ROWS:,} match. Narrow the list down before selecting all.")


def _person(actor: Actor) -> UUID:
    if not actor.is_person:
        raise NotAllowed("people.only", "Only a person may do this.")
    return actor.known_id


def _wrong(code: str, pointer: str, sentence: str) -> Invalid:
    return Invalid(code, sentence, errors=[{"pointer": pointer, "sentence": sentence}])
