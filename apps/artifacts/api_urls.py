from django.urls import path

from apps.artifacts import api, api_artifacts

urlpatterns = [
    path("runs/<uuid:run_id>/state", api.RunState.as_view(), name="api-run-state"),
    path("runs/<uuid:run_id>/state/reveal", api.RunStateReveal.as_view(), name="api-run-state-reveal"),
    path("runs/<uuid:run_id>/state/versions", api.RunStateVersions.as_view(), name="api-run-state-versions"),
    path("runs/<uuid:run_id>/state/versions/<int:number>", api.RunStateVersion.as_view(), name="api-run-state-version"),
    path("runs/<uuid:run_id>/artifacts", api_artifacts.RunArtifacts.as_view(), name="api-run-artifacts"),
    path(
        "runs/<uuid:run_id>/artifacts/<uuid:artifact_id>", api_artifacts.RunArtifact.as_view(), name="api-run-artifact"
    ),
    path(
        "runs/<uuid:run_id>/artifacts/<uuid:artifact_id>/content",
        api_artifacts.RunArtifactContent.as_view(),
        name="api-run-artifact-content",
    ),
    path(
        "runs/<uuid:run_id>/artifacts/<uuid:artifact_id>/reveal",
        api_artifacts.RunArtifactReveal.as_view(),
        name="api-run-artifact-reveal",
    ),
]
