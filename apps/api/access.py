"""The API of who can do what."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of, person_of
from apps.policies.queries import set_for
from apps.policies.who_may import rights_of_agent, rights_under


class AgentAccess(APIView):
    """What one agent may do with the tools it holds a grant for, as policies decide now."""

    @extend_schema(operation_id="agents_access", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, agent: str) -> Response:
        person_of(request)
        _, rights = rights_of_agent(actor_of(request), agent)
        return Response({"items": [right.as_json() for right in rights]})


class PolicyAccess(APIView):
    """The same of every agent that one set decides about."""

    @extend_schema(operation_id="policy_access", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request, policy_set: str) -> Response:
        person_of(request)
        actor = actor_of(request)
        rights = rights_under(actor, set_for(actor, policy_set))
        return Response({"items": [right.as_json() for right in rights]})
