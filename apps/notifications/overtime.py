"""News of runs whose time is over."""

from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse

from apps.core.actor import Actor
from apps.notifications.answering import Audience, who_answer_for
from apps.notifications.models import News, NewsKind
from apps.notifications.told import Told
from apps.runs.models import Run, RunState
from apps.runs.queries import runs_visible_to


def audience_of_overtime(news: News) -> Audience:
    """Who answers for the process, and the team whose agent opened it; nobody once it goes on."""
    run = Run.objects.select_related("opened_by").get(id=news.data["run"])
    if run.state != RunState.TIMED_OUT:
        return Audience()
    return who_answer_for({run.process_id}, NewsKind.OVERTIME, with_team=run.opened_by.owner_team_id)


def told_of_overtime(actor: Actor | None, news: Sequence[News]) -> dict[UUID, Told]:
    seen = Run.objects.all() if actor is None else runs_visible_to(actor)
    runs = {str(row.id): row for row in seen.filter(id__in={one.data["run"] for one in news})}
    found = {}
    for one in news:
        run = runs.get(one.data["run"])
        if run is not None:
            sentence = f"{run.title} ({run.environment}) was ended: its time is over"
            found[one.id] = Told(sentence, reverse("run", args=[run.id]), run.state != RunState.TIMED_OUT)
    return found
