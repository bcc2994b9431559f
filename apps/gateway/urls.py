from django.urls import path

from apps.gateway import views, views_unknown

urlpatterns = [
    path("inbox/<uuid:approval_id>/edit/", views.edit_approval, name="approval-edit"),
    path("unknown/", views_unknown.unknown_list, name="unknown-outcomes"),
    path("unknown/<uuid:call_id>/", views_unknown.unknown_call, name="unknown-outcome"),
    path("unknown/<uuid:call_id>/resolve/", views_unknown.resolve, name="unknown-resolve"),
]
