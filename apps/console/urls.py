"""Every page."""

from django.urls import include, path
from django.views.generic import RedirectView

from apps.console.views import budgets, halts, lists

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="inbox", http_method_names=["get", "head"]), name="home"),
    path("", include("apps.accounts.urls")),
    path("", include("apps.approvals.urls")),
    path("", include("apps.gateway.urls")),
    path("", include("apps.runs.urls")),
    path("", include("apps.notifications.urls")),
    path("agents/", lists.agents, name="agents"),
    path("audit/", lists.audit_log, name="audit"),
    path("budgets/", budgets.budgets, name="budgets"),
    path("budgets/new/", budgets.new_budget, name="budget-new"),
    path("budgets/holds/<uuid:hold_id>/release/", budgets.release_run, name="run-hold-release"),
    path("budgets/<uuid:budget_id>/", budgets.budget, name="budget"),
    path("budgets/<uuid:budget_id>/end/", budgets.end_budget, name="budget-end"),
    path("halts/", halts.halts, name="halts"),
    path("halts/new/", halts.halt_panel, name="halt-new"),
    path("halts/<uuid:halt_id>/", halts.halt, name="halt"),
    path("halts/<uuid:halt_id>/lift/", halts.lift, name="halt-lift"),
]
