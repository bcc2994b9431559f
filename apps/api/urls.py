"""Every URL of the API, version 1, and its schema."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from apps.registry.views import oauth_token

urlpatterns = [
    path("oauth/token", oauth_token, name="oauth-token"),
    path("api/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/v1/", include("apps.gateway.api_urls")),
    path("api/v1/", include("apps.runs.api_urls")),
    path("api/v1/", include("apps.approvals.api_urls")),
    path("api/v1/", include("apps.halts.api_urls")),
    path("api/v1/", include("apps.registry.api_urls")),
    path("api/v1/", include("apps.accounts.api_urls")),
]
