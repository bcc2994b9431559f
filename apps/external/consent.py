"""A request from outside as a request for human consent: what it means, what votes bind to, and the card."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from apps.accounts.models import Team, User
from apps.approvals.requests import ConsentRequest
from apps.core.canonical import digest
from apps.core.errors import Invalid
from apps.core.money import Money
from apps.external.requests import ExternalAsk, stored_form
from apps.registry.models import Agent, AgentCredential

SUBJECT_TYPE = "external"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the words of an ask stand for."""

    money: Money | None
    on_behalf_of: UUID | None


def request_digest(ask: ExternalAsk) -> str:
    """Equal for asks that say the same in every word. Raises Invalid for what JSON cannot carry exactly."""
    return digest(stored_form(ask))


def meaning_of(ask: ExternalAsk) -> Meaning:
    """Raises Invalid, with a pointer, for what has the right form and means nothing here; writes nothing."""
    _check_callback(ask.callback_url)
    _check_teams(ask)
    return Meaning(money=money_of(ask), on_behalf_of=_person_behind(ask.on_behalf_of))


def money_of(ask: ExternalAsk) -> Money | None:
    """The money the act moves. Raises Invalid for what is not exactly money."""
    if ask.money is None:
        return None
    try:
        money = Money.parse(*ask.money)
    except Invalid as error:
        raise _invalid(error.code, error.sentence, "/money") from None
    if money.minor < 0:
        raise _invalid(
            "money.negative", "Money is never negative here; the sentence says which way it moves.", "/money"
        )
    return money


def _check_teams(ask: ExternalAsk) -> None:
    known = set(Team.objects.filter(slug__in=[stage.team for stage in ask.stages]).values_list("slug", flat=True))
    for position, stage in enumerate(ask.stages):
        if stage.team not in known:
            sentence = f"There is no team called {stage.team!r}."
            raise _invalid("external.unknown_team", sentence, f"/stages/{position}/team")


def _person_behind(username: str) -> UUID | None:
    if not username:
        return None
    person_id = User.objects.filter(username=username, is_active=True).values_list("id", flat=True).first()
    if person_id is None:
        raise _invalid("on_behalf_of_unknown", f"There is no person called {username!r}.", "/on_behalf_of")
    return person_id


def person_named(username: str) -> UUID | None:
    """Who is meant, active or not: what halts the work for a person outlives their account."""
    return User.objects.filter(username=username).values_list("id", flat=True).first() if username else None


def _check_callback(url: str) -> None:
    """Form alone: where the name leads is looked at each time something is sent."""
    if not url:
        return
    schemes = ("https", "http") if settings.EXTERNAL_ALLOW_PRIVATE else ("https",)
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or not url.isascii() or " " in url or "\\" in url or parts.username is not None or parts.fragment:
        sentence = "A callback is an https URL in ASCII with a host, without user name, password or fragment."
        raise _invalid("external.bad_callback", sentence, "/callback_url")


def _invalid(code: str, sentence: str, pointer: str) -> Invalid:
    return Invalid(code, sentence, errors=[{"pointer": pointer, "sentence": sentence}])


def binding_digest(agent: Agent, ask: ExternalAsk, version: int) -> str:
    """What a vote names (I4). `docs/external-approvals.md` tells callers how to compute it themselves.

    Not in it: rationale and confidence, which are words about the act and not the act.
    """
    money = money_of(ask)
    return digest(
        {
            "agent": agent.slug,
            "environment": agent.environment,
            "version": version,
            "system": ask.system,
            "action": ask.action,
            "sentence": ask.sentence,
            "facts": ask.facts,
            "money": {"minor": money.minor, "currency": money.currency} if money else None,
            "risk": ask.risk,
            "reversible": ask.is_reversible,
            "evidence": ask.evidence,
            "on_behalf_of": ask.on_behalf_of,
            "policy": ask.policies,
            "stages": [{"team": stage.team, "quorum": stage.quorum} for stage in ask.stages],
            "expires_in_seconds": ask.expires_seconds,
            "payload_sha256": ask.payload_sha256,
        }
    )


def consent_request(
    *,
    request_id: UUID,
    agent: Agent,
    ask: ExternalAsk,
    money: Money | None,
    version: int,
    barred_people: set[UUID],
    before: ExternalAsk | None = None,
) -> ConsentRequest:
    """Everything the approvals engine needs. `before` is the ask that this version replaces."""
    return ConsentRequest(
        subject_type=SUBJECT_TYPE,
        subject_id=request_id,
        digest=binding_digest(agent, ask, version),
        card=_card(agent, ask, version, before),
        process=agent.process,
        environment=agent.environment,
        agent=agent,
        run_id=None,
        stages=ask.stages,
        expires_seconds=ask.expires_seconds,
        risk=ask.risk,
        money=money,
        policy_ref=", ".join(f"{policy['id']}@{policy['version']}" for policy in ask.policies)[:200],
        is_reversible=ask.is_reversible,
        barred_people=tuple(sorted(barred_people)),
    )


def barred_people(credential: AgentCredential, meaning: Meaning) -> set[UUID]:
    """Whoever the agent acted for, and whoever made its credential and so could have been the agent (I5)."""
    return {person for person in (meaning.on_behalf_of, credential.maker_id) if person}


def _card(agent: Agent, ask: ExternalAsk, version: int, before: ExternalAsk | None) -> dict[str, Any]:
    unnamed = {"says": f"{ask.system} did not say which rule stopped it", "ref": "", "set": ask.system}
    why = [
        {"says": policy["says"].rstrip("."), "ref": f"{policy['id']}@{policy['version']}", "set": ask.system}
        for policy in ask.policies
    ]
    return {
        "sentence": ask.sentence,
        "tool": ask.action,
        "tool_title": ask.action.replace("_", " ").capitalize(),
        "tool_version": version,
        "system": ask.system,
        "agent": agent.slug,
        "agent_name": agent.name,
        "facts": [*map(list, ask.facts), ["Digest of what will be carried out", ask.payload_sha256]],
        "why": why or [unnamed],
        "evidence": list(ask.evidence),
        "statement": ask.rationale,
        "confidence": ask.confidence,
        "reversible": ask.is_reversible,
        "compensation": None,
        "on_behalf_of": ask.on_behalf_of,
        **({"changes": _changes(before, ask), "changed_by": agent.name} if before else {}),
    }


def _changes(before: ExternalAsk, after: ExternalAsk) -> list[dict[str, str]]:
    """What a reader of the last version finds different, by label; "none" stands for what is not there."""
    old, new = _labelled(before), _labelled(after)
    return [
        {"label": label, "before": old.get((kind, label), "none"), "after": new.get((kind, label), "none")}
        for kind, label in dict.fromkeys([*old, *new])
        if old.get((kind, label)) != new.get((kind, label))
    ]


def _labelled(ask: ExternalAsk) -> dict[tuple[str, str], str]:
    """By kind and label, because a fact may be labelled like one of ours."""
    money = money_of(ask)
    ours = {
        "What": ask.sentence,
        "System": ask.system,
        "Act": ask.action,
        "Amount": str(money) if money else "none",
        "Can be undone": "yes" if ask.is_reversible else "no",
        "Who is asked": ", then ".join(f"{stage.quorum} of {stage.team}" for stage in ask.stages),
        "Digest of what will be carried out": ask.payload_sha256,
    }
    return {("ours", label): value for label, value in ours.items()} | {
        ("fact", label): value for label, value in ask.facts
    }
