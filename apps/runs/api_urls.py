from django.urls import path

from apps.runs import api, api_compare, api_steps

urlpatterns = [
    path("runs", api.Runs.as_view(), name="api-runs"),
    path("runs/compare", api_compare.RunComparison.as_view(), name="api-run-compare"),
    path("runs/<uuid:run_id>", api.RunDetail.as_view(), name="api-run"),
    path("runs/<uuid:run_id>/story", api.RunStory.as_view(), name="api-run-story"),
    path("runs/<uuid:run_id>/steps", api_steps.RunSteps.as_view(), name="api-run-steps"),
    path("runs/<uuid:run_id>/steps/<uuid:step_id>", api_steps.RunStep.as_view(), name="api-run-step"),
]
