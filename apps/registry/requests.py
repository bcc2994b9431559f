"""The agent behind a request."""

from django.http import HttpRequest
from rest_framework.request import Request

from apps.accounts.requests import actor_of
from apps.core.errors import NotAllowed
from apps.registry.tokens import SignedInAgent


def agent_of(request: HttpRequest | Request) -> SignedInAgent:
    """The signed-in agent. Raises NotAuthenticated for nobody and NotAllowed for a person."""
    actor_of(request)
    if not isinstance(request.user, SignedInAgent):
        raise agents_only()
    return request.user


def agents_only() -> NotAllowed:
    return NotAllowed("agents.only", "Only an agent may do this, with the access token of its own credential.")
