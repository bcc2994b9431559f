from django.urls import path

from apps.gateway import views

urlpatterns = [
    path("connectors/", views.connectors, name="connectors"),
    path("connectors/<uuid:endpoint_id>/reset/", views.connector_reset, name="connector-reset"),
    path("inbox/<uuid:approval_id>/edit/", views.edit_approval, name="approval-edit"),
]
