from django.urls import path

from apps.telemetry import api, api_reveal

urlpatterns = [
    path(
        "runs/<uuid:run_id>/steps/<uuid:step_id>/reveal",
        api_reveal.StepReveals.as_view(),
        name="api-step-reveal",
    ),
    path("model-prices", api.ModelPrices.as_view(), name="api-model-prices"),
    path("ungoverned-actions", api.UngovernedActions.as_view(), name="api-ungoverned-actions"),
    path("ungoverned-actions/<uuid:action_id>", api.UngovernedActionDetail.as_view(), name="api-ungoverned-action"),
    path(
        "ungoverned-actions/<uuid:action_id>/acknowledge",
        api.UngovernedActionAcknowledgement.as_view(),
        name="api-ungoverned-acknowledge",
    ),
]
