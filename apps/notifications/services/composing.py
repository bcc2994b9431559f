"""From claimed deliveries to one message: what is still news, and what of it the channel may carry."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from apps.accounts.models import Team, User
from apps.approvals.cards import cards_of
from apps.approvals.models import Approval, ApprovalState, Urgency
from apps.approvals.queries import approvals_in_view, approvals_visible_to
from apps.core import clock
from apps.core.money import Money
from apps.gateway.models import CallState, ToolCall
from apps.gateway.queries import calls_visible_to
from apps.gateway.stored import sentences_of
from apps.gateway.telling import money_of
from apps.notifications import wording
from apps.notifications.audience import OF_A_CALL, reader
from apps.notifications.models import Allows, Channel, Delivery, DeliveryState, News, NewsKind
from apps.notifications.queries import WAITING
from apps.notifications.services.preferences import may_summarise
from apps.notifications.subjects import SUBJECTS, told_of
from apps.notifications.timing import zone_of
from apps.notifications.told import Told

# The news whose words name the team it concerns.
NAMES_TEAM = (NewsKind.OPENED, NewsKind.ESCALATED)


def keep_news(claimed: Sequence[Delivery]) -> list[Delivery]:
    """Those still worth telling; the others are dropped. Nobody is asked to act on what is decided, and nobody is told
    of what they may not see any more.
    """
    if not claimed:
        return []
    channel = claimed[0].channel
    seen = _seen_through(channel, [one.news.approval_id for one in claimed if one.news.approval_id])
    unknown = _unknown_through(channel, [one.news.tool_call_id for one in claimed if one.news.tool_call_id])
    told = _told_through(channel, [one.news for one in claimed])
    kept = [one for one in claimed if channel.disabled_at is None and _is_news(one, seen, unknown, told)]
    dropped = {one.id for one in claimed} - {one.id for one in kept}
    if dropped:
        Delivery.objects.filter(id__in=dropped).update(state=DeliveryState.DROPPED)
    return kept


def _seen_through(channel: Channel, approvals: Sequence[UUID]) -> dict[UUID, Approval]:
    """What the channel's person may see. A room is told of what somebody in its team was told of."""
    if channel.person is None:
        return Approval.objects.in_bulk(approvals)
    if not channel.person.is_active:
        return {}
    return approvals_visible_to(reader(channel.person)).in_bulk(approvals)


def _unknown_through(channel: Channel, calls: Sequence[UUID]) -> set[UUID]:
    """Of these calls, those whose outcome still nobody knows and that the channel's person may see."""
    if not calls or (channel.person is not None and not channel.person.is_active):
        return set()
    rows = ToolCall.objects.all() if channel.person is None else calls_visible_to(reader(channel.person))
    return set(rows.filter(id__in=calls, state=CallState.OUTCOME_UNKNOWN).values_list("id", flat=True))


def _told_through(channel: Channel, news: Sequence[News]) -> dict[UUID, Told]:
    """What the rest says to the channel's person, or to the room."""
    if channel.person is not None and not channel.person.is_active:
        return {}
    return told_of(reader(channel.person) if channel.person else None, news)


def _is_news(
    delivery: Delivery, seen: Mapping[UUID, Approval], unknown: Collection[UUID], told: Mapping[UUID, Told]
) -> bool:
    if delivery.kind == NewsKind.TEST:
        return True
    if delivery.kind in OF_A_CALL:
        return delivery.news.tool_call_id in unknown
    if delivery.kind in SUBJECTS:
        return delivery.news.id in told and not told[delivery.news.id].is_over
    approval = seen.get(delivery.news.approval_id) if delivery.news.approval_id else None
    if approval is None:
        return False
    is_waiting = approval.state == ApprovalState.PENDING and approval.settles_at is None
    return is_waiting or delivery.kind not in WAITING


def message_through(channel: Channel, deliveries: Sequence[Delivery]) -> wording.Message:
    """One message for all of them. Cards are read only where their sentence may be said."""
    first = deliveries[0]
    if first.kind == NewsKind.TEST:
        return wording.test_message(absolute(reverse("notification-settings")))
    # the installation may have forbidden it since the person allowed it
    is_told = channel.allows == Allows.SUMMARY and may_summarise(channel.kind)
    inbox_url = absolute(reverse("inbox"))
    if first.is_digest and channel.person is not None:
        return _digest(channel.person, _items(channel, deliveries, with_cards=False), inbox_url)
    return wording.message_of(
        _items(channel, deliveries, with_cards=is_told),
        allows=Allows.SUMMARY if is_told else Allows.LINK,
        inbox_url=inbox_url,
        list_url=absolute(reverse("notifications")),
    )


def _digest(person: User, items: Sequence[wording.Item], inbox_url: str) -> wording.Message:
    zone = zone_of(person)
    today = clock.now().astimezone(zone).date()
    return wording.digest_of(items, _queue_of(person), zone=zone, today=today, inbox_url=inbox_url)


def _queue_of(person: User) -> wording.Queue:
    """What waits for the person now, in their own name."""
    waiting = approvals_in_view(reader(person), "mine")
    oldest = waiting.order_by("requested_at").values_list("requested_at", flat=True).first()
    return wording.Queue(waiting.count(), waiting.filter(urgency=Urgency.BREACHED).count(), oldest)


def _items(channel: Channel, deliveries: Sequence[Delivery], *, with_cards: bool) -> list[wording.Item]:
    approvals = Approval.objects.in_bulk([one.news.approval_id for one in deliveries if one.news.approval_id])
    cards = cards_of(list(approvals.values()), None) if with_cards else {}
    slugs = {one.news.data["team"] for one in deliveries if "team" in one.news.data}
    teams = dict(Team.objects.filter(slug__in=slugs).values_list("slug", "name"))
    of_approvals = [
        _item(NewsKind(one.kind), one.news, approvals[one.news.approval_id], cards, teams)
        for one in deliveries
        if one.news.approval_id
    ]
    of_calls = _items_of_calls([one.news for one in deliveries if one.news.tool_call_id], with_cards)
    return of_approvals + of_calls + _items_of_operations(channel, [one.news for one in deliveries], with_cards)


def _items_of_operations(channel: Channel, news: Sequence[News], is_told: bool) -> list[wording.Item]:
    told = _told_through(channel, news)
    return [
        wording.Item(
            kind=NewsKind(one.kind),
            what=told[one.id].sentence if is_told else "",
            url=absolute(told[one.id].path),
        )
        for one in news
        if one.id in told
    ]


def _items_of_calls(news: Sequence[News], is_told: bool) -> list[wording.Item]:
    calls = ToolCall.objects.select_related("tool").in_bulk([one.tool_call_id for one in news if one.tool_call_id])
    sentences = sentences_of(list(calls.values()), None) if is_told else {}
    return [
        wording.Item(
            kind=NewsKind(one.kind),
            what=sentences.get(one.tool_call_id, ""),
            money=money_of(calls[one.tool_call_id]) if is_told else None,
            url=absolute(reverse("unknown-outcome", args=[one.tool_call_id])),
        )
        for one in news
        if one.tool_call_id
    ]


def _item(
    kind: NewsKind,
    news: News,
    approval: Approval,
    cards: Mapping[UUID, dict[str, Any]],
    teams: Mapping[str, str],
) -> wording.Item:
    is_told = approval.id in cards
    has_money = is_told and approval.money_minor is not None
    return wording.Item(
        kind=kind,
        team=teams.get(news.data.get("team", ""), "") if kind in NAMES_TEAM else "",
        state=news.data.get("state", ""),
        what=str(cards[approval.id]["sentence"]) if is_told else "",
        money=Money(approval.money_minor or 0, approval.currency) if has_money else None,
        url=absolute(reverse("approval", args=[approval.id])),
    )


def absolute(path: str) -> str:
    """The address people reach the page at; none where the installation does not say what it is called."""
    return f"{settings.BASE_URL}{path}" if settings.BASE_URL else ""
