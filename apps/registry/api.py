"""Agents and tools, for whoever may see them."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.requests import actor_of
from apps.core.paging import page_of, page_size
from apps.registry.definitions import definition_of
from apps.registry.models import Tool
from apps.registry.queries import agent_for, agents_visible_to, tools_visible_to
from apps.registry.serializers import AgentPageSerializer, AgentSerializer, ToolPageSerializer, ToolSerializer

PAGING = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]


class AgentsView(APIView):
    @extend_schema(operation_id="agents_list", parameters=PAGING, responses=AgentPageSerializer)
    def get(self, request: Request) -> Response:
        """The agents of the processes the caller may see, newest first."""
        rows = agents_visible_to(actor_of(request)).select_related("process", "owner_team", "built_by")
        query = request.query_params
        page = page_of(rows, cursor=query.get("cursor"), size=page_size(query.get("limit")))
        return Response({"items": AgentSerializer(page.items, many=True).data, "next": page.next})


class AgentView(APIView):
    @extend_schema(operation_id="agents_show", responses=AgentSerializer)
    def get(self, request: Request, agent: str) -> Response:
        """One agent, by id or slug."""
        return Response(AgentSerializer(agent_for(actor_of(request), agent)).data)


class ToolsView(APIView):
    @extend_schema(operation_id="tools_list", parameters=PAGING, responses=ToolPageSerializer)
    def get(self, request: Request) -> Response:
        """The tools an agent holds a grant for; for a person, those of the agents they may see. Newest first."""
        rows = tools_visible_to(actor_of(request)).select_related("connector")
        query = request.query_params
        page = page_of(rows, cursor=query.get("cursor"), size=page_size(query.get("limit")))
        items = ToolSerializer([_as_shown(tool) for tool in page.items], many=True).data
        return Response({"items": items, "next": page.next})


def _as_shown(tool: Tool) -> dict[str, object]:
    return {"id": tool.id, "version": tool.version, **definition_of(tool)}
