from django.urls import path

from apps.gateway import views, views_decisions, views_reveal, views_unknown, views_unwind

urlpatterns = [
    path("calls/<uuid:call_id>/reveal/", views_reveal.reveal, name="call-reveal"),
    path("calls/<uuid:call_id>/decisions/", views_decisions.call_decisions, name="call-decisions"),
    path("connectors/", views.connectors, name="connectors"),
    path("connectors/<uuid:endpoint_id>/reset/", views.connector_reset, name="connector-reset"),
    path("inbox/<uuid:approval_id>/edit/", views.edit_approval, name="approval-edit"),
    path("runs/<uuid:run_id>/unwind/", views_unwind.run_unwind, name="run-unwind"),
    path("runs/<uuid:run_id>/unwind/<uuid:call_id>/", views_unwind.call_compensate, name="call-compensate"),
    path("unknown/", views_unknown.unknown_list, name="unknown-outcomes"),
    path("unknown/<uuid:call_id>/", views_unknown.unknown_call, name="unknown-outcome"),
    path("unknown/<uuid:call_id>/resolve/", views_unknown.resolve, name="unknown-resolve"),
]
