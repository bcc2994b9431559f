"""News of halts: placed, being lifted, lifted, run out."""

from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse

from apps.core.actor import Actor
from apps.halts.models import Halt, Mode
from apps.halts.queries import halts_visible_to
from apps.halts.targets import target_of
from apps.notifications.answering import Audience, who_answer_for
from apps.notifications.models import News, NewsKind
from apps.notifications.told import Told

# What happened to the halt, and how it is said; `what` is "hold on the whole mesh (production)".
SENTENCES = {
    "placed": "Placed: {what}",
    "held_again": "Holds everything again: {what}",
    "ramp": "Being lifted in steps: {what}",
    "lifted": "Lifted: {what}",
    "expired": "Its time ran out: {what}",
    "goes_on": "Its time ran out, and it goes on as a hold: {what}",
}


def audience_of_halt(news: News) -> Audience:
    """Who answers for the processes it touches, but for the person who did it; of what is over by now, nobody hears
    that it began.
    """
    halt = Halt.objects.get(id=news.data["halt"])
    if _is_over(news, halt):
        return Audience()
    return who_answer_for(target_of(halt).processes, NewsKind(news.kind), but=news.data["by"])


def told_of_halts(actor: Actor | None, news: Sequence[News]) -> dict[UUID, Told]:
    seen = Halt.objects.all() if actor is None else halts_visible_to(actor)
    halts = {str(row.id): row for row in seen.filter(id__in={one.data["halt"] for one in news})}
    found = {}
    for one in news:
        halt = halts.get(one.data["halt"])
        if halt is not None:
            what = f"{Mode(halt.mode)} on {halt.scope_name} ({halt.environment})"
            sentence = SENTENCES[one.data["what"]].format(what=what)
            found[one.id] = Told(sentence, reverse("halt", args=[halt.id]), _is_over(one, halt))
    return found


def _is_over(news: News, halt: Halt) -> bool:
    """That it began is news as long as it is not lifted."""
    return news.kind == NewsKind.HALTED and halt.lifted_at is not None
