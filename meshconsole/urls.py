"""Every URL of the product. `tests/access/` holds a table that must equal this list."""

from django.urls import include, path
from django.views.generic import RedirectView

from apps.core import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
