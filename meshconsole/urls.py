"""Every URL of the product. `tests/access/` holds a table that must equal this list."""

from django.urls import include, path

from apps.core import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("", include("apps.api.urls")),
    path("", include("apps.console.urls")),
]

handler400 = "apps.core.pages.bad_request"
handler403 = "apps.core.pages.forbidden"
handler404 = "apps.core.pages.page_not_found"
handler500 = "apps.core.pages.server_error"
