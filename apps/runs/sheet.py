"""A run as one page of HTML that needs no server, style sheet or script: its story, and every step in a table."""

from collections.abc import Iterator
from itertools import islice

from django.template.loader import render_to_string

from apps.core import clock
from apps.core.actor import Actor
from apps.runs.models import Run
from apps.runs.steps import every_row
from apps.runs.story import story_for
from apps.runs.timeline import FEED_ROWS, amount_of

ROWS_AT_ONCE = 500


def sheet_of(actor: Actor, run: Run) -> Iterator[bytes]:
    """In pieces: the head with the story, the rows, the end."""
    context = {"run": run, "story": story_for(actor, run), "at": clock.now()}
    head, _rows, foot = render_to_string("runs/sheet.html", context).partition("<!--rows-->")
    yield head.encode()
    rows = every_row(actor, run, at_once=FEED_ROWS)
    while some := list(islice(rows, ROWS_AT_ONCE)):
        told = [(row, (row.ended_at or clock.now()) - row.started_at, amount_of(row)) for row in some]
        yield render_to_string("runs/_sheet_rows.html", {"rows": told}).encode()
    yield foot.encode()
