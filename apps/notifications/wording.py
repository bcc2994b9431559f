"""What is said, and how much of it. Nothing here reads; what a channel may not carry is never put together for it.

Sentences of cards hold words that agents chose. Before they leave the product, everything that another program could
take for markup, a mention or a link is taken out of them.
"""

import datetime as dt
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from apps.approvals.models import ApprovalState
from apps.core.money import Money
from apps.notifications.models import Allows, NewsKind

MOST_CHARACTERS = 200
# A room with a hundred new approvals gets one message with this many of them.
MOST_LINES = 10

TITLES = {
    NewsKind.OPENED: "An approval waits",
    NewsKind.DELEGATED: "An approval was delegated to you",
    NewsKind.HALF: "Half of the time to decide is gone",
    NewsKind.SOON: "An approval is due soon",
    NewsKind.OVERDUE: "An approval is overdue",
    NewsKind.ESCALATED: "An approval was escalated",
    NewsKind.RESOLVED: "An approval is resolved",
    NewsKind.CHANGES: "Changes were asked for",
    NewsKind.UNKNOWN: "The outcome of a call is unknown",
    NewsKind.STALE: "An outcome has been unknown for too long",
    NewsKind.BUDGET: "A budget is nearly used up",
    NewsKind.SPENT: "A budget is used up",
    NewsKind.HELD: "A run is held",
    NewsKind.OVERTIME: "A run is out of time",
    NewsKind.BROKEN: "Policies cannot be read",
    NewsKind.UNGOVERNED: "An agent acted outside the mesh",
    NewsKind.DOWN: "A system does not answer",
    NewsKind.BACK: "A system answers again",
    NewsKind.HALTED: "A halt was placed",
    NewsKind.LIFTED: "A halt was lifted or ran out",
    NewsKind.ALONE: "Policies were released in an emergency",
    NewsKind.REFUSED: "An emergency release is not agreed to",
    NewsKind.TEST: "Test message",
    NewsKind.FAILED: "A message could not be delivered",
}
# One of them, and several; `{team}` is the team it waits for.
SENTENCES = {
    NewsKind.OPENED: ("An approval waits for {team}.", "{count} approvals wait for {team}."),
    NewsKind.DELEGATED: ("An approval was delegated to you.", "{count} approvals were delegated to you."),
    NewsKind.HALF: (
        "Half of the time to decide an approval is gone.",
        "Half of the time to decide {count} approvals is gone.",
    ),
    NewsKind.SOON: ("An approval is due soon.", "{count} approvals are due soon."),
    NewsKind.OVERDUE: ("An approval is overdue.", "{count} approvals are overdue."),
    NewsKind.ESCALATED: ("An approval was escalated to {team}.", "{count} approvals were escalated to {team}."),
    NewsKind.RESOLVED: (
        "An approval you voted on is resolved.",
        "{count} approvals you voted on are resolved.",
    ),
    NewsKind.CHANGES: (
        "Changes were asked for on an approval you voted on.",
        "Changes were asked for on {count} approvals you voted on.",
    ),
    NewsKind.UNKNOWN: (
        "Nobody knows whether a call took effect. Somebody has to find out.",
        "Nobody knows whether {count} calls took effect. Somebody has to find out.",
    ),
    NewsKind.STALE: (
        "Nobody has found out for too long whether a call took effect.",
        "Nobody has found out for too long whether {count} calls took effect.",
    ),
    NewsKind.BUDGET: ("A budget is nearly used up.", "{count} budgets are nearly used up."),
    NewsKind.SPENT: ("A budget is used up.", "{count} budgets are used up."),
    NewsKind.HELD: (
        "A run goes in circles and is held until somebody lets it go on.",
        "{count} runs go in circles and are held until somebody lets them go on.",
    ),
    NewsKind.UNGOVERNED: (
        "An agent reports a tool execution that no governed call is behind.",
        "Agents report executions of {count} tools that no governed call is behind.",
    ),
    NewsKind.OVERTIME: ("A run is out of time and was ended.", "{count} runs are out of time and were ended."),
    NewsKind.BROKEN: (
        "Policies cannot be read, and their calls are denied.",
        "{count} sets of policies cannot be read, and their calls are denied.",
    ),
    NewsKind.DOWN: ("A system does not answer.", "{count} systems do not answer."),
    NewsKind.BACK: ("A system answers again.", "{count} systems answer again."),
    NewsKind.HALTED: ("A halt was placed.", "{count} halts were placed."),
    NewsKind.LIFTED: (
        "A halt was lifted, or its time ran out.",
        "{count} halts were lifted, or their time ran out.",
    ),
    NewsKind.ALONE: (
        "One person released policies alone, in an emergency.",
        "Policies were released alone, in an emergency, {count} times.",
    ),
    NewsKind.REFUSED: (
        "An emergency release was rejected, or nobody reviewed it in time.",
        "{count} emergency releases were rejected, or nobody reviewed them in time.",
    ),
}
# What stands before the sentence of the card.
LEADS = {
    NewsKind.OPENED: "Waits for {team}",
    NewsKind.DELEGATED: "Delegated to you",
    NewsKind.HALF: "Half of the time is gone",
    NewsKind.SOON: "Due soon",
    NewsKind.OVERDUE: "Overdue",
    NewsKind.ESCALATED: "Escalated to {team}",
    NewsKind.RESOLVED: "{state}",
    NewsKind.CHANGES: "Changes asked for",
    NewsKind.UNKNOWN: "Outcome unknown",
    NewsKind.STALE: "Outcome unknown for too long",
    NewsKind.BUDGET: "Budget",
    NewsKind.SPENT: "Budget used up",
    NewsKind.HELD: "Run held",
    NewsKind.OVERTIME: "Out of time",
    NewsKind.BROKEN: "Unreadable",
    NewsKind.UNGOVERNED: "Ungoverned action",
    NewsKind.DOWN: "System",
    NewsKind.BACK: "System",
    NewsKind.HALTED: "Halt",
    NewsKind.LIFTED: "Halt",
    NewsKind.ALONE: "Policies",
    NewsKind.REFUSED: "Policies",
}
# What is about approvals, and so leads to the inbox when several are told at once.
OF_APPROVALS = (
    NewsKind.OPENED,
    NewsKind.DELEGATED,
    NewsKind.HALF,
    NewsKind.SOON,
    NewsKind.OVERDUE,
    NewsKind.ESCALATED,
    NewsKind.RESOLVED,
    NewsKind.CHANGES,
)
TEST = "This is a test message. From now on this channel carries what you choose in the settings."


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of news with what may be said of it. `what` is the sentence of the card as it stands there."""

    kind: NewsKind
    team: str = ""
    state: str = ""
    what: str = ""
    money: Money | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for a person at the moment a digest is made."""

    count: int
    overdue_count: int
    oldest: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Message:
    """Plain text, and the one address it leads to."""

    title: str
    text: str
    url: str


def message_of(items: Sequence[Item], *, allows: str, inbox_url: str, list_url: str) -> Message:
    """One message for everything that is to be told through one channel now. One piece of news leads to its card,
    several lead to the inbox, or to the list of notices where not all are about approvals.
    """
    if len(items) == 1:
        [item] = items
        text = lead_of(item) if allows == Allows.SUMMARY else _counted(items)[0]
        return Message(TITLES[item.kind], text, item.url)
    lines = _counted(items)
    if allows == Allows.SUMMARY:
        lines = [lead_of(item) for item in items[:MOST_LINES]]
        lines += [f"And {len(items) - MOST_LINES} more."] if len(items) > MOST_LINES else []
    if all(item.kind in OF_APPROVALS for item in items):
        return Message(f"{len(items)} approvals", "\n".join(lines), inbox_url)
    return Message(f"{len(items)} messages", "\n".join(lines), list_url)


def digest_of(items: Sequence[Item], queue: Queue, *, zone: ZoneInfo, today: dt.date, inbox_url: str) -> Message:
    """How the person's queue stands, and what happened since; counts alone, whatever the channel may carry."""
    lines = [_standing(queue, zone, today), *_counted(items)]
    return Message("Your approvals", "\n".join(lines), inbox_url)


def test_message(settings_url: str) -> Message:
    return Message(TITLES[NewsKind.TEST], TEST, settings_url)


def lead_of(item: Item) -> str:
    """ "Waits for Finance approvers: Credit €1,280.00 to C-204": the card's sentence and its amount."""
    state = ApprovalState(item.state).label if item.state else ""
    what = harmless(item.what)
    if item.money is not None and str(item.money) not in what:
        what = f"{what}, {item.money}"
    return f"{LEADS[item.kind].format(team=harmless(item.team), state=state)}: {what}"


def harmless(text: str) -> str:
    """The words as one line of text that no mail client, Slack or Teams reads as markup, a mention or a link."""
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    text = text.translate({ord("<"): "‹", ord(">"): "›", ord("["): "(", ord("]"): ")", ord("@"): "(at)"})
    text = re.sub(r"[*`~|\\]", " ", text)
    text = re.sub(r"://", ": ", text)
    # a name like example.com becomes a link by itself in many clients; an amount like 1.280 stays
    text = re.sub(r"(?<=\w)\.(?=[^\W\d])", "[.]", text)
    text = " ".join(text.split())
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def _counted(items: Sequence[Item]) -> list[str]:
    """How many of each kind, for each team: nothing else of them."""
    counts = Counter((item.kind, item.team) for item in items)
    return [
        SENTENCES[kind][count > 1].format(count=count, team=harmless(team)) for (kind, team), count in counts.items()
    ]


def _standing(queue: Queue, zone: ZoneInfo, today: dt.date) -> str:
    """ "4 approvals wait for you, 2 overdue; oldest since 09:14." """
    if not queue.count or queue.oldest is None:
        return "Nothing waits for you."
    waits = "1 approval waits" if queue.count == 1 else f"{queue.count} approvals wait"
    overdue = f", {queue.overdue_count} overdue" if queue.overdue_count else ""
    local = queue.oldest.astimezone(zone)
    since = f"{local:%H:%M}" if local.date() == today else f"{local.day} {local:%b %H:%M}"
    return f"{waits} for you{overdue}; oldest since {since}."
