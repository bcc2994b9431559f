"""How agents reach the API: the access token they got for their client credentials."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apps.accounts.authentication import REALM
from apps.accounts.requests import bearer_token, bind_actor
from apps.core.actor import Actor
from apps.registry.tokens import SignedInAgent, agent_for_token, is_access_token


class AgentTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer mca_…`. Any other token is left to the next class."""

    def authenticate(self, request: Request) -> tuple[SignedInAgent, Actor] | None:
        token = bearer_token(request)
        if token is None or not is_access_token(token):
            return None
        signed_in = agent_for_token(token)
        return signed_in, bind_actor(request, signed_in.actor)

    def authenticate_header(self, request: Request) -> str:
        return REALM
