from django.urls import path

from apps.telemetry import views_reveal, views_ungoverned

urlpatterns = [
    path("runs/<uuid:run_id>/steps/<uuid:step_id>/reveal/", views_reveal.reveal, name="reported-reveal"),
    path("ungoverned/", views_ungoverned.ungoverned_list, name="ungoverned-actions"),
    path("ungoverned/<uuid:action_id>/", views_ungoverned.ungoverned_action, name="ungoverned-action"),
    path("ungoverned/<uuid:action_id>/acknowledge/", views_ungoverned.acknowledge, name="ungoverned-acknowledge"),
]
