"""What the shell around every page needs: navigation, the banner of halts, the person."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from apps.accounts.requests import actor_or_none
from apps.approvals.queries import waiting_count
from apps.console.policy_banner import emergencies_shown
from apps.core.actor import Actor
from apps.core.generations import Moment, read_moment
from apps.gateway.queries import unknown_count
from apps.halts.models import Halt, Mode
from apps.halts.queries import all_in_force, halts_visible_to
from apps.notifications.queries import unseen_count
from apps.policies.queries import sets_visible_to
from apps.policies.unreadable import unreadable_releases
from apps.registry.models import Environment

VERB = {Mode.DRAIN: "drained", Mode.HOLD: "held", Mode.STOP: "stopped"}


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of the rail. `prefix` is the path under which it is the current one."""

    label: str
    url_name: str
    icon: str
    prefix: str
    key: str


RAIL: tuple[tuple[Section, ...], ...] = (
    (
        Section("Inbox", "inbox", "inbox", "/inbox/", "g i"),
        Section("Runs", "runs", "list-tree", "/runs/", "g r"),
        Section("Unknown", "unknown-outcomes", "circle-question-mark", "/unknown/", "g u"),
        Section("Ungoverned", "ungoverned-actions", "shield-alert", "/ungoverned/", "g n"),
        Section("Agents", "agents", "bot", "/agents/", "g a"),
        Section("Policies", "policies", "scale", "/policies/", "g p"),
        Section("Budgets", "budgets", "gauge", "/budgets/", "g b"),
        Section("Halts", "halts", "octagon-x", "/halts/", "g h"),
        Section("Connectors", "connectors", "plug", "/connectors/", "g c"),
    ),
    (Section("Audit log", "audit", "scroll-text", "/audit/", "g l"),),
    (Section("Settings", "settings", "settings", "/settings/", "g s"),),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Lazy: a part that does not draw the shell costs no query for it."""
    return {"shell": SimpleLazyObject(lambda: _shell(request))}


def _shell(request: HttpRequest) -> dict[str, Any]:
    actor = actor_or_none(request)
    moment = read_moment()
    return {
        "sections": _sections(request, actor) if actor else [],
        "environment": Environment.PRODUCTION.value,
        "environments": [],
        "halts": _banner(actor, moment),
        "unreadable": _unreadable(actor, moment),
        "emergencies": emergencies_shown(actor, moment),
        "person": _person(request) if actor else None,
        "audit_through": None,
        "unseen": unseen_count(actor) if actor and actor.is_person else 0,
        "halt_url": reverse("halt-new") if actor else None,
        "search_url": None,
    }


def _sections(request: HttpRequest, actor: Actor) -> list[list[dict[str, Any]]]:
    """With how many wait for this person; what nobody of them may settle is not offered to them."""
    counts = {"inbox": waiting_count(actor), "unknown-outcomes": unknown_count(actor)}
    return [
        [
            {
                "label": section.label,
                "url": reverse(section.url_name),
                "icon": section.icon,
                "current": request.path.startswith(section.prefix),
                "count": counts.get(section.url_name),
                "badge": f"{section.url_name}-badge" if section.url_name in counts else "",
                "key": section.key,
                "ready": True,
            }
            for section in group
            if section.url_name != "unknown-outcomes" or counts[section.url_name] is not None
        ]
        for group in RAIL
    ]


def _unreadable(actor: Actor | None, moment: Moment) -> list[dict[str, str]]:
    """Sets of policies that cannot be read where they decide. Everyone who signs in learns of it, as far as they see
    the set; a stranger only that it is so.
    """
    found = unreadable_releases(moment)
    if not found:  # nearly always
        return []
    if actor is None:
        return [{"sentence": "Policies cannot be read, and calls are denied.", "url": ""}]
    seen = set(sets_visible_to(actor).values_list("slug", flat=True))
    return [
        {"sentence": each.sentence, "url": reverse("policy-set", args=[each.policy_set])}
        for each in found
        if each.policy_set in seen
    ]


def _banner(actor: Actor | None, moment: Moment) -> list[dict[str, Any]]:
    """Every halt in force that this person may see; a stranger at the sign-in page learns that there are halts, not
    which.
    """
    in_force = all_in_force(moment)
    if not in_force:  # nearly always: who sees which is asked only where there is one
        return []
    if actor is None:
        count = len(in_force)
        sentence = f"{count} halt{'s' if count > 1 else ''} in force."
        return [{"sentence": sentence, "since": None, "url": None, "mode": "hold"}]
    seen = set(halts_visible_to(actor).filter(id__in=[halt.id for halt in in_force]).values_list("id", flat=True))
    return [
        {
            "sentence": _banner_sentence(halt),
            "since": halt.placed_at,
            "url": reverse("halt", args=[halt.id]),
            "mode": halt.mode,
        }
        for halt in in_force
        if halt.id in seen
    ]


def _banner_sentence(halt: Halt) -> str:
    what = f"{halt.scope_name[:1].upper()}{halt.scope_name[1:]} is {VERB[Mode(halt.mode)]} in {halt.environment}"
    return f"{what} by {halt.placed_by_name}: {halt.get_reason_code_display().lower()}."


def _person(request: HttpRequest) -> dict[str, Any]:
    user: Any = request.user
    initials = "".join(word[0] for word in str(user).split()[:2]).upper()
    return {"name": str(user), "initials": initials, "username": user.username, "teams": None}
