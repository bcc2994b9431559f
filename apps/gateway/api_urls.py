from django.urls import path

from apps.gateway import api, api_connectors, api_reveal, api_unknown, api_unwind

urlpatterns = [
    path("tool-calls", api.ToolCalls.as_view(), name="api-tool-calls"),
    path("tool-calls/<uuid:call_id>", api.ToolCallDetail.as_view(), name="api-tool-call"),
    path("tool-calls/<uuid:call_id>/cancel", api.ToolCallCancellation.as_view(), name="api-tool-call-cancel"),
    path("tool-calls/<uuid:call_id>/versions", api.ToolCallVersions.as_view(), name="api-tool-call-versions"),
    path("tool-calls/<uuid:call_id>/reveal", api_reveal.Reveals.as_view(), name="api-reveal"),
    path("tool-calls/<uuid:call_id>/resolution", api_unknown.Resolutions.as_view(), name="api-tool-call-resolution"),
    path("tool-calls/<uuid:call_id>/compensate", api_unwind.ToolCallCompensation.as_view(), name="api-compensate"),
    path("runs/<uuid:run_id>/unwind", api_unwind.RunUnwind.as_view(), name="api-run-unwind"),
    path("unknown-outcomes", api_unknown.UnknownOutcomes.as_view(), name="api-unknown-outcomes"),
    path("unknown-outcomes/<uuid:call_id>", api_unknown.UnknownOutcome.as_view(), name="api-unknown-outcome"),
    path("approvals/<uuid:approval_id>/edits", api.ApprovalEdits.as_view(), name="api-approval-edits"),
    path("connectors", api_connectors.Connectors.as_view(), name="api-connectors"),
    path("connectors/<uuid:endpoint_id>/reset", api_connectors.ConnectorReset.as_view(), name="api-connector-reset"),
    path("authorize", api.Authorize.as_view(), name="api-authorize"),
]
