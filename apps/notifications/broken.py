"""News of policies that decide and cannot be read."""

from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse

from apps.core.actor import Actor
from apps.notifications.answering import Audience, who_answer_for
from apps.notifications.models import News, NewsKind
from apps.notifications.told import Told
from apps.policies.models import PolicySet, UnreadableRelease
from apps.policies.queries import sets_visible_to
from apps.registry.models import Process


def audience_of_broken(news: News) -> Audience:
    """Who answers for the process, or for any where it is the global set; nobody when it is over."""
    if not UnreadableRelease.objects.filter(id=news.data["noted"]).exists():
        return Audience()
    owner = PolicySet.objects.get(slug=news.data["set"])
    everywhere = Process.objects.values_list("id", flat=True)
    return who_answer_for({owner.process_id} if owner.process_id else set(everywhere), NewsKind.BROKEN)


def told_of_broken(actor: Actor | None, news: Sequence[News]) -> dict[UUID, Told]:
    sets = PolicySet.objects.all() if actor is None else sets_visible_to(actor)
    seen = set(sets.filter(slug__in={one.data["set"] for one in news}).values_list("slug", flat=True))
    noted = {one.data["noted"] for one in news}
    present = {str(found) for found in UnreadableRelease.objects.filter(id__in=noted).values_list("id", flat=True)}
    found = {}
    for one in news:
        slug, environment = one.data["set"], one.data["environment"]
        if slug in seen:
            whose = "every call" if slug == "global" else f"every call of {slug}"
            sentence = f"The policies of {slug} cannot be read: {whose} in {environment} is denied"
            found[one.id] = Told(sentence, reverse("policy-set", args=[slug]), one.data["noted"] not in present)
    return found
