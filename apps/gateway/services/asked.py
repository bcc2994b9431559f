"""A request whose form and meaning are right, before anything of the moment is looked at."""

from dataclasses import dataclass, replace
from uuid import UUID

from apps.accounts.models import User
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.core.generations import CONFIGURATION, Moment
from apps.core.money import Money
from apps.gateway import arguments as args
from apps.gateway.deciding import Granted, granted_tool
from apps.gateway.requests import CallRequest
from apps.registry.models import Agent, AgentCredential
from apps.registry.tokens import agent_behind


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for what, at which moment of the configuration and of the halts."""

    agent: Agent
    credential: AgentCredential | None
    actor: Actor
    request: CallRequest
    granted: Granted
    money: Money | None
    arguments_digest: str
    on_behalf_of: UUID | None
    moment: Moment


def checked(
    agent: Agent, credential: AgentCredential | None, actor: Actor, request: CallRequest, *, moment: Moment
) -> Asked:
    """Raises NotAuthenticated for a credential that was revoked, NotFound for a tool without a grant and Invalid for
    arguments that miss its schema; writes nothing.
    """
    if credential is not None:
        signed_in = agent_behind(credential.id, moment=moment)
        agent, credential = signed_in.agent, signed_in.credential
    granted = granted_tool(agent, request.tool, moment=moment)
    args.check_arguments(granted.tool, request.arguments)
    return Asked(
        agent=agent,
        credential=credential,
        actor=actor,
        request=request,
        granted=granted,
        money=args.money_in(granted.tool, request.arguments),
        arguments_digest=args.arguments_digest(request.arguments),
        on_behalf_of=person_behind(request.on_behalf_of),
        moment=moment,
    )


def renewed(asked: Asked, moment: Moment) -> Asked:
    """The same, at a later moment: checked again where what is set up has changed since."""
    if moment.marks[CONFIGURATION] is not None and moment.marks[CONFIGURATION] == asked.moment.marks[CONFIGURATION]:
        return replace(asked, moment=moment)
    return checked(asked.agent, asked.credential, asked.actor, asked.request, moment=moment)


def person_behind(username: str) -> UUID | None:
    if not username:
        return None
    person_id = User.objects.filter(username=username, is_active=True).values_list("id", flat=True).first()
    if person_id is None:
        errors = [{"pointer": "/on_behalf_of", "sentence": "Nobody here has this user name."}]
        raise Invalid("on_behalf_of_unknown", f"There is no person called {username!r}.", errors=errors)
    return person_id
