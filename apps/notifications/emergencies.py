"""News of policies that one person released alone."""

from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse

from apps.core.actor import Actor
from apps.notifications.answering import Audience, who_answer_for
from apps.notifications.models import News, NewsKind
from apps.notifications.told import Told
from apps.policies.afterwards import emergencies_visible_to, sentence_of
from apps.policies.models import EmergencyRelease, EmergencyState
from apps.policies.queries import REQUEST_PARTS
from apps.registry.models import Process

LEADS = {"overdue": "Not reviewed in time", "rejected": "Rejected afterwards"}


def audience_of_emergency(news: News) -> Audience:
    """Who answers for the processes it decides in, but for who did it; once it was agreed to, nobody."""
    emergency = EmergencyRelease.objects.select_related("request__policy_set").get(request=news.data["request"])
    if emergency.state == EmergencyState.AGREED:
        return Audience()
    process_id = emergency.request.policy_set.process_id
    processes = {process_id} if process_id else set(Process.objects.values_list("id", flat=True))
    return who_answer_for(processes, NewsKind(news.kind), but=news.data["by"])


def told_of_emergencies(actor: Actor | None, news: Sequence[News]) -> dict[UUID, Told]:
    everything = EmergencyRelease.objects.select_related(
        *(f"request__{part}" for part in REQUEST_PARTS if part != "emergency")
    )
    seen = everything if actor is None else emergencies_visible_to(actor)
    found = {str(row.request_id): row for row in seen.filter(request__in={one.data["request"] for one in news})}
    told = {}
    for one in news:
        emergency = found.get(one.data["request"])
        if emergency is not None:
            lead = LEADS.get(one.data["what"])
            sentence = f"{lead}: {sentence_of(emergency)}" if lead else sentence_of(emergency)
            path = reverse("policy-review", args=[emergency.request_id])
            told[one.id] = Told(sentence, path, emergency.state == EmergencyState.AGREED)
    return told
