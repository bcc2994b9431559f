"""Access tokens of agents: signed, fifteen minutes long, naming the credential they were given for.

At each use it is asked whether the credential still stands, so revoking it ends its tokens at once.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.signing import BadSignature, Signer

from apps.core import clock
from apps.core.actor import Actor, agent_actor
from apps.core.errors import NotAuthenticated
from apps.core.generations import CONFIGURATION, Moment, latest_moment, read_moment
from apps.core.memory import BoundedCache, Remembered
from apps.core.rows import sole
from apps.registry.models import Agent, AgentCredential

PREFIX = "mca_"
LIFETIME_SECONDS = 15 * 60
# Not django's TimestampSigner: that one asks the machine for the time, and a test could not move it.
SIGNER = Signer(salt="registry.agent-access-token")
# A token says the same for as long as it lives; what it stands for is asked each time.
_claims: BoundedCache[str, tuple[UUID, int]] = BoundedCache(2_000)
_standing: Remembered[UUID, AgentCredential] = Remembered(CONFIGURATION, size=2_000)


@dataclass(frozen=True, slots=True)
class SignedInAgent:
    """An agent that proved who it is, and when; what DRF calls the user of its requests."""

    agent: Agent
    credential: AgentCredential
    moment: Moment
    is_authenticated: bool = True
    is_active: bool = True

    @property
    def pk(self) -> Any:
        return self.agent.pk

    @property
    def actor(self) -> Actor:
        return agent_actor(agent_id=self.agent.id, slug=self.agent.slug, name=self.agent.name)


def issue(credential: AgentCredential) -> tuple[str, int]:
    """(access token, seconds it is good for)."""
    claims = {"credential": str(credential.id), "until": int(clock.now().timestamp()) + LIFETIME_SECONDS}
    return PREFIX + SIGNER.sign_object(claims), LIFETIME_SECONDS


def is_access_token(token: str) -> bool:
    """Whether it claims to be one of these; `agent_for_token` says whether it is."""
    return token.startswith(PREFIX)


def agent_for_token(token: str) -> SignedInAgent:
    """Who the token was given to, with process and teams. Raises NotAuthenticated and says why."""
    return agent_behind(_credential_id_of(token), moment=read_moment())


def agent_recalled(token: str) -> SignedInAgent:
    """The same as this process last knew it, without asking the database where it does know. For whoever looks again by
    `agent_behind` before anything comes of the request.
    """
    credential_id, moment = _credential_id_of(token), latest_moment()
    credential = _standing.recall(credential_id, moment)
    if credential is None or moment is None:
        return agent_behind(credential_id, moment=read_moment())
    return SignedInAgent(agent=credential.agent, credential=credential, moment=moment)


def agent_behind(credential_id: UUID, *, moment: Moment) -> SignedInAgent:
    """Whose credential it is at that moment. Raises NotAuthenticated for one that was revoked."""
    credential = _standing.get(credential_id, lambda: _read(credential_id), moment=moment)
    if credential is None:
        raise NotAuthenticated("token.revoked", "The credential behind this access token was revoked.")
    return SignedInAgent(agent=credential.agent, credential=credential, moment=moment)


def _credential_id_of(token: str) -> UUID:
    credential_id, until = _claims.get(token) or _claims.put(token, _claims_of(token))
    if until <= clock.now().timestamp():
        raise NotAuthenticated("token.expired", "This access token has expired. Ask for a new one at /oauth/token.")
    return credential_id


def _claims_of(token: str) -> tuple[UUID, int]:
    """(credential, when the token ends in seconds since 1970), once its signature holds."""
    try:
        claims = SIGNER.unsign_object(token.removeprefix(PREFIX))
        return UUID(claims["credential"]), claims["until"]
    except (BadSignature, ValueError):
        raise NotAuthenticated("token.invalid", "This access token was not given out here.") from None


def _read(credential_id: UUID) -> AgentCredential | None:
    credentials = AgentCredential.objects.filter(pk=credential_id, revoked_at=None)
    return sole(credentials.select_related("agent__process", "agent__owner_team", "agent__built_by"))
