from django.urls import path

from apps.runs import api

urlpatterns = [
    path("runs", api.Runs.as_view(), name="api-runs"),
    path("runs/<uuid:run_id>", api.RunDetail.as_view(), name="api-run"),
    path("runs/<uuid:run_id>/story", api.RunStory.as_view(), name="api-run-story"),
]
