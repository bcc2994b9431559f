"""How agents reach the API: the access token they got for their client credentials."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apps.accounts.authentication import REALM
from apps.accounts.requests import bearer_token, bind_actor
from apps.core.actor import Actor
from apps.registry.tokens import SignedInAgent, agent_for_token, agent_recalled, is_access_token


class AgentTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer mca_…`. Any other token is left to the next class.

    With `is_recalled` the agent is as this process last knew it: for a view whose service looks at the credential
    again, under the lock under which it acts.
    """

    def __init__(self, *, is_recalled: bool = False) -> None:
        self._sign_in = agent_recalled if is_recalled else agent_for_token

    def authenticate(self, request: Request) -> tuple[SignedInAgent, Actor] | None:
        token = bearer_token(request)
        if token is None or not is_access_token(token):
            return None
        signed_in = self._sign_in(token)
        return signed_in, bind_actor(request, signed_in.actor)

    def authenticate_header(self, request: Request) -> str:
        return REALM
