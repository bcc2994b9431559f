"""Under `api/v1/`. `/oauth/token` stands beside it, as clients expect."""

from django.urls import path

from apps.registry import api

urlpatterns = [
    path("agents", api.AgentsView.as_view(), name="api-agents"),
    path("agents/<str:agent>", api.AgentView.as_view(), name="api-agent"),
    path("tools", api.ToolsView.as_view(), name="api-tools"),
]
