from django.urls import path

from apps.artifacts import views

urlpatterns = [
    path("runs/<uuid:run_id>/state/", views.state, name="run-state"),
    path("runs/<uuid:run_id>/state/reveal/", views.reveal_state, name="run-state-reveal"),
    path("runs/<uuid:run_id>/artifacts/<uuid:artifact_id>/", views.download, name="run-artifact"),
    path("runs/<uuid:run_id>/artifacts/<uuid:artifact_id>/reveal/", views.reveal_artifact, name="run-artifact-reveal"),
]
