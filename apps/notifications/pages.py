"""What the two pages show, as plain values for the templates."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count
from django.forms import BoundField
from django.urls import reverse

from apps.accounts.models import User
from apps.approvals.cards import cards_of
from apps.approvals.models import Approval, ApprovalState
from apps.approvals.queries import approvals_visible_to
from apps.core.actor import Actor
from apps.core.paging import Page, page_of
from apps.gateway.models import CallState, ToolCall
from apps.gateway.queries import calls_visible_to
from apps.gateway.stored import sentences_of
from apps.notifications.clients import is_mail_set_up
from apps.notifications.forms import (
    ChannelForm,
    PreferencesForm,
    allows_name,
    clock_face,
    mode_name,
    spelled,
    where_of,
)
from apps.notifications.models import Channel, ChannelKind, Delivery, DeliveryState, NewsKind, Notice
from apps.notifications.queries import (
    CHOICES,
    channels_visible_to,
    in_app_channel,
    modes_of,
    notices_of,
    rhythms_of,
    teams_of,
    unseen_count,
)
from apps.notifications.subjects import told_of
from apps.notifications.timing import zone_of
from apps.notifications.told import Told
from apps.notifications.wording import TITLES

ICONS = {
    NewsKind.OPENED: "inbox",
    NewsKind.DELEGATED: "user-check",
    NewsKind.HALF: "hourglass",
    NewsKind.SOON: "hourglass",
    NewsKind.OVERDUE: "timer-off",
    NewsKind.ESCALATED: "arrow-up-to-line",
    NewsKind.RESOLVED: "check",
    NewsKind.CHANGES: "undo-2",
    NewsKind.UNKNOWN: "circle-question-mark",
    NewsKind.STALE: "circle-question-mark",
    NewsKind.BUDGET: "gauge",
    NewsKind.SPENT: "gauge",
    NewsKind.HELD: "circle-pause",
    NewsKind.OVERTIME: "timer-off",
    NewsKind.BROKEN: "file-x",
    NewsKind.UNGOVERNED: "shield-alert",
    NewsKind.DOWN: "unplug",
    NewsKind.BACK: "plug",
    NewsKind.HALTED: "octagon-pause",
    NewsKind.LIFTED: "circle-play",
    NewsKind.ALONE: "triangle-alert",
    NewsKind.REFUSED: "triangle-alert",
    NewsKind.FAILED: "triangle-alert",
}
TONES = {
    NewsKind.SOON: "wait",
    NewsKind.OVERDUE: "bad",
    NewsKind.ESCALATED: "wait",
    NewsKind.UNKNOWN: "bad",
    NewsKind.STALE: "bad",
    NewsKind.BUDGET: "wait",
    NewsKind.SPENT: "bad",
    NewsKind.HELD: "wait",
    NewsKind.OVERTIME: "bad",
    NewsKind.BROKEN: "bad",
    NewsKind.UNGOVERNED: "bad",
    NewsKind.DOWN: "bad",
    NewsKind.BACK: "good",
    NewsKind.HALTED: "wait",
    NewsKind.ALONE: "wait",
    NewsKind.REFUSED: "bad",
    NewsKind.FAILED: "bad",
}
WORDS = {
    NewsKind.OPENED: "Waits for you",
    NewsKind.DELEGATED: "Delegated to you",
    NewsKind.ESCALATED: "Escalated",
    NewsKind.RESOLVED: "Resolved",
    NewsKind.CHANGES: "Changes asked for",
    NewsKind.STALE: "Unknown for too long",
    NewsKind.BUDGET: "Budget",
    NewsKind.SPENT: "Used up",
    NewsKind.HELD: "Held",
    NewsKind.OVERTIME: "Out of time",
    NewsKind.BROKEN: "Unreadable",
    NewsKind.UNGOVERNED: "Ungoverned",
    NewsKind.DOWN: "Does not answer",
    NewsKind.BACK: "Answers again",
    NewsKind.HALTED: "Halt",
    NewsKind.LIFTED: "Halt",
    NewsKind.ALONE: "Emergency release",
    NewsKind.REFUSED: "Emergency release",
    NewsKind.FAILED: "Not delivered",
}
# How an approval ended, beside its word.
ENDS = {ApprovalState.APPROVED: "good", ApprovalState.REJECTED: "bad"}
END_ICONS = {
    ApprovalState.REJECTED: "thumbs-down",
    ApprovalState.EXPIRED: "timer-off",
    ApprovalState.CANCELLED: "minus",
}


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One line of the list. `url` is "" where the person may not see it any more."""

    notice: Notice
    what: str
    word: str
    tone: str
    icon: str
    url: str
    subject: Approval | ToolCall | None


@dataclass(frozen=True, slots=True)
class NoticeList:
    """One page of a person's notices; `newest` bounds what `Mark all as read` marks, None where nothing is to be
    marked.
    """

    rows: list[NoticeRow]
    page: Page[Notice]
    newest: Notice | None


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel and how it does: "works", "untested", "failing" or "off"; `owner` is its team, "" for the person."""

    channel: Channel
    owner: str
    state: str
    given_up_count: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One choice in the table of preferences; `field` is None where there is nothing to choose."""

    where: str
    field: BoundField | None


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of news, or what channels may carry, with a cell for each channel."""

    label: str
    cells: list[Cell]


def notices_for(actor: Actor, *, cursor: str | None) -> NoticeList:
    """Newest first, each with what the person may see of it now."""
    page = page_of(notices_of(actor).select_related("news"), cursor=cursor)
    ids = [notice.news.approval_id for notice in page.items if notice.news.approval_id]
    seen = approvals_visible_to(actor).in_bulk(ids)
    cards = cards_of(list(seen.values()), actor)
    told = told_of(actor, [notice.news for notice in page.items])
    calls = _calls_of(actor, [notice.news.tool_call_id for notice in page.items if notice.news.tool_call_id])
    rows = [
        _call_row(notice, calls.get(notice.news.tool_call_id))
        if notice.news.tool_call_id
        else _notice_row(notice, seen, cards, told)
        for notice in page.items
    ]
    marks = page.items and not cursor and unseen_count(actor)
    return NoticeList(rows=rows, page=page, newest=page.items[0] if marks else None)


def _calls_of(actor: Actor, ids: list[UUID]) -> dict[UUID, tuple[ToolCall, str]]:
    calls = calls_visible_to(actor).in_bulk(ids) if ids else {}
    sentences = sentences_of(list(calls.values()), actor)
    return {call.id: (call, sentences[call.id]) for call in calls.values()}


def _call_row(notice: Notice, found: tuple[ToolCall, str] | None) -> NoticeRow:
    kind = NewsKind(notice.kind)
    word, tone, icon = str(WORDS.get(kind, kind.label)), TONES.get(kind, ""), ICONS[kind]
    if found is None:
        return NoticeRow(notice, f"{TITLES[kind]}. It is no longer yours to see.", word, tone, icon, "", None)
    call, sentence = found
    if call.state != CallState.OUTCOME_UNKNOWN:
        word, tone, icon = call.get_state_display(), "", "check"
    return NoticeRow(notice, sentence, word, tone, icon, reverse("unknown-outcome", args=[call.id]), call)


def _notice_row(
    notice: Notice, seen: dict[Any, Approval], cards: dict[Any, dict[str, Any]], told: dict[Any, Told]
) -> NoticeRow:
    kind, news = NewsKind(notice.kind), notice.news
    approval = seen.get(news.approval_id) if news.approval_id else None
    word = WORDS.get(kind, kind.label)
    if kind is NewsKind.FAILED:
        what = f"{news.data['channel']}: a message was given up. {news.data['error']}"
        url = reverse("notification-settings")
    elif news.id in told:
        what, url = told[news.id].sentence, told[news.id].path
    elif approval is None:
        what, url = f"{TITLES[kind]}. It is no longer yours to see.", ""
    else:
        what, url = cards[approval.id]["sentence"], reverse("approval", args=[approval.id])
    tone, icon = TONES.get(kind, ""), ICONS[kind]
    if kind is NewsKind.RESOLVED:
        state = ApprovalState(news.data["state"])
        word, tone, icon = str(state.label), ENDS.get(state, ""), END_ICONS.get(state, icon)
    return NoticeRow(notice, what, word, tone, icon, url, approval)


def settings_for(
    actor: Actor,
    person: User,
    *,
    channel_form: ChannelForm | None = None,
    preferences_form: PreferencesForm | None = None,
) -> dict[str, Any]:
    """Everything on the settings page; a form that was refused stands in the place of its blank one."""
    preferences = preferences_form or preferences_form_for(actor)
    return {
        "rows": _channel_rows([channel for channel in preferences.channels if channel.kind != ChannelKind.IN_APP]),
        "channel_form": channel_form or channel_form_for(actor),
        "preferences": preferences,
        "columns": preferences.channels,
        "lines": _lines(preferences),
        "mailbox": person.email,
        "is_mail_set_up": is_mail_set_up(),
        "zone_name": zone_of(person).key,
    }


def channel_form_for(actor: Actor, data: Any = None) -> ChannelForm:
    teams = [(team.slug, f"Everyone in {team.name}") for team in teams_of(actor)]
    return ChannelForm(data, teams=teams, is_mail_set_up=is_mail_set_up())


def preferences_form_for(actor: Actor, data: Any = None) -> PreferencesForm:
    """One's own list first, then the channels."""
    found = list(channels_visible_to(actor).order_by("team__name", "id"))
    own_list = [channel for channel in found if channel.kind == ChannelKind.IN_APP] or [in_app_channel(actor)]
    channels = own_list + [channel for channel in found if channel.kind != ChannelKind.IN_APP]
    rhythm = rhythms_of([actor.known_id])[actor.known_id]
    initial = {
        "quiet_from": clock_face(rhythm.quiet_from),
        "quiet_until": clock_face(rhythm.quiet_until),
        "escalations_break_quiet": rhythm.escalations_break_quiet,
        "digest_hours": spelled(rhythm.digest_hours),
    }
    return PreferencesForm(data, channels=channels, modes=modes_of(channels), initial=initial)


def _channel_rows(channels: list[Channel]) -> list[ChannelRow]:
    given_up = Delivery.objects.filter(channel__in=channels, state=DeliveryState.GIVEN_UP).order_by()
    counts = dict(given_up.values_list("channel").annotate(count=Count("id")))
    return [
        ChannelRow(channel, str(channel.team or ""), _state_of(channel), counts.get(channel.id, 0))
        for channel in channels
    ]


def _state_of(channel: Channel) -> str:
    if channel.disabled_at is not None:
        return "off"
    if channel.failed_count:
        return "failing"
    return "works" if channel.verified_at else "untested"


def _lines(form: PreferencesForm) -> list[Line]:
    """A line for each kind of news, and a last one for how much each channel may carry."""
    lines = [
        Line(kind.label, [_cell(form, channel, mode_name(channel, kind)) for channel in form.channels])
        for kind in CHOICES
    ]
    carried = [_cell(form, channel, allows_name(channel)) for channel in form.channels]
    return [*lines, Line("Carries", carried)] if any(cell.field for cell in carried) else lines


def _cell(form: PreferencesForm, channel: Channel, name: str) -> Cell:
    return Cell(where_of(channel), form[name] if name in form.fields else None)
