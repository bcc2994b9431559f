"""Under `api/v1/`. `/oauth/token` stands beside it, as clients expect."""

from django.urls import path

from apps.registry import api, api_data_classes

urlpatterns = [
    path("agents", api.AgentsView.as_view(), name="api-agents"),
    path("agents/<str:agent>", api.AgentView.as_view(), name="api-agent"),
    path("data-class-rules", api_data_classes.DataClassRules.as_view(), name="api-data-class-rules"),
    path("data-class-rules/<uuid:rule_id>", api_data_classes.DataClassRuleView.as_view(), name="api-data-class-rule"),
    path("tools", api.ToolsView.as_view(), name="api-tools"),
]
