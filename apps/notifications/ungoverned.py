"""News of ungoverned actions: what agents report and nobody enforced."""

from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse

from apps.core.actor import Actor
from apps.notifications.answering import Audience, who_answer_for
from apps.notifications.models import News, NewsKind
from apps.notifications.told import Told
from apps.telemetry.models import UngovernedAction
from apps.telemetry.ungoverned import actions_visible_to


def audience_of_ungoverned(news: News) -> Audience:
    """Who answers for the process, and the team whose agent it is; nobody once it was acknowledged."""
    action = UngovernedAction.objects.select_related("agent").get(id=news.data["action"])
    if not action.is_open:
        return Audience()
    return who_answer_for({action.process_id}, NewsKind.UNGOVERNED, with_team=action.agent.owner_team_id)


def told_of_ungoverned(actor: Actor | None, news: Sequence[News]) -> dict[UUID, Told]:
    seen = UngovernedAction.objects.select_related("agent") if actor is None else actions_visible_to(actor)
    actions = {str(row.id): row for row in seen.filter(id__in={one.data["action"] for one in news})}
    found = {}
    for one in news:
        action = actions.get(one.data["action"])
        if action is not None:
            sentence = f"{action.agent.name} executed {action.tool_name} outside the mesh ({action.environment})"
            found[one.id] = Told(sentence, reverse("ungoverned-action", args=[action.id]), not action.is_open)
    return found
