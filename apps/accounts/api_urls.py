"""Under `api/v1/`."""

from django.urls import path

from apps.accounts import api

urlpatterns = [
    path("tokens", api.TokensView.as_view(), name="api-tokens"),
    path("tokens/<uuid:token_id>", api.TokenView.as_view(), name="api-token"),
]
