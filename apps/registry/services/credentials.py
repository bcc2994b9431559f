"""Client credentials of agents, and signing in with them."""

import hmac
import secrets

from django.core.cache import cache
from django.db import transaction

from apps.accounts.tokens import digest_of, new_secret
from apps.audit import services as audit
from apps.core import clock
from apps.core.actor import Actor, agent_actor, system_actor
from apps.core.errors import Exhausted, NotAuthenticated
from apps.registry.models import Agent, AgentCredential
from apps.registry.permissions import MANAGE
from apps.registry.queries import require
from apps.registry.tokens import issue

SECRET_PREFIX = "mcs_"  # noqa: S105
# 57 of the 60 characters a client id may have
SLUG_IN_CLIENT_ID = 40
CLIENT_ID_RANDOM_BYTES = 8

# A wrong secret is refused at once, and after this many in a window refused without a line in the log for each.
# The right secret is never locked out: nobody guesses 256 bits, and a stranger must not be able to stop an agent.
FAILURES_PER_WINDOW = 10
WINDOW_SECONDS = 5 * 60


def make_credential(*, agent: Agent, actor: Actor) -> tuple[AgentCredential, str]:
    """(the credential, its client secret). The secret is told here and never again."""
    require(actor, MANAGE, agent.process)
    secret = new_secret(SECRET_PREFIX)
    client_id = f"{agent.slug[:SLUG_IN_CLIENT_ID]}-{secrets.token_hex(CLIENT_ID_RANDOM_BYTES)}"
    with transaction.atomic():
        credential = AgentCredential.objects.create(
            agent=agent,
            client_id=client_id,
            secret_digest=digest_of(secret),
            made_by=actor.key,
            made_at=clock.now(),
        )
        _record(actor, "credential.made", credential)
    return credential, secret


def revoke_credential(*, credential: AgentCredential, reason: str, actor: Actor) -> AgentCredential:
    """End the credential and every access token given for it, now. Ending it twice is one end."""
    require(actor, MANAGE, credential.agent.process)
    now = clock.now()
    with transaction.atomic():
        if AgentCredential.objects.filter(pk=credential.pk, revoked_at=None).update(revoked_at=now):
            credential.revoked_at = now
            _record(actor, "credential.revoked", credential, reason=reason)
    return credential


def sign_in_agent(*, client_id: str, client_secret: str, address: str) -> tuple[str, int]:
    """(access token, seconds it is good for).

    Raises NotAuthenticated for wrong credentials without saying what is wrong with them, Exhausted after too many.
    """
    credential = AgentCredential.objects.select_related("agent__process").filter(client_id=client_id).first()
    # compared even when there is nothing to compare with, so that the time it takes tells nothing
    expected = credential.secret_digest if credential else digest_of("")
    is_right = hmac.compare_digest(expected, digest_of(client_secret))
    if credential is None or credential.revoked_at is not None or not is_right:
        raise _refusal(credential, client_id, address)
    agent = credential.agent
    _record(agent_actor(agent_id=agent.id, slug=agent.slug, name=agent.name), "agent.signed_in", credential)
    return issue(credential)


def _refusal(credential: AgentCredential | None, client_id: str, address: str) -> NotAuthenticated | Exhausted:
    """The error to raise, after counting the failure and, below the limit, logging it."""
    # unknown ids share their address's count, or a stranger could fill the log with made-up ones
    bucket = digest_of(client_id if credential else f"unknown {address}")
    key = f"agent-sign-in-failures:{bucket}"
    cache.add(key, 0, WINDOW_SECONDS)
    try:
        failures = cache.incr(key)
    except ValueError:  # the window ended between the two
        failures = 1
    if failures > FAILURES_PER_WINDOW:
        sentence = "Too many failed sign-ins. Try again later."
        return Exhausted("credential.rate_limited", sentence, retry_after_seconds=WINDOW_SECONDS)
    if credential is not None:
        why = "revoked" if credential.revoked_at is not None else "wrong_secret"
        _record(system_actor("sign-in"), "agent.sign_in_failed", credential, data={"why": why})
    else:
        audit.record(
            system_actor("sign-in"),
            "agent.sign_in_failed",
            subject_type="credential",
            subject_id="unknown",
            data={"why": "unknown_client"},
        )
    return NotAuthenticated("credential.invalid", "These client credentials are not valid.")


def _record(
    actor: Actor, code: str, credential: AgentCredential, *, reason: str = "", data: dict[str, str] | None = None
) -> None:
    agent = credential.agent
    audit.record(
        actor,
        code,
        subject_type="credential",
        subject_id=credential.id,
        subject_name=f"{agent.name}: {credential.client_id}",
        process=agent.process.slug,
        environment=agent.environment,
        reason=reason,
        data={"agent": agent.slug} | (data or {}),
    )
