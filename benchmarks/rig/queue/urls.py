"""The product's URLs and the admin's, with the approvals as an admin would list them."""

from django.contrib import admin
from django.urls import include, path

from apps.approvals.models import Approval


@admin.register(Approval)
class ApprovalAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable without the stubs
    list_display = ("risk", "policy_ref", "money_minor", "currency", "agent", "requested_at", "expires_at", "state")
    list_filter = ("state", "risk", "currency")
    list_select_related = ("agent",)
    list_per_page = 50
    ordering = ("-urgency", "-risk_rank", "-size", "id")


urlpatterns = [path("admin/", admin.site.urls), path("", include("meshconsole.urls"))]
