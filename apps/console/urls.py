"""Every page."""

from django.urls import include, path
from django.views.generic import RedirectView

from apps.console.views import budgets, halt_drills, halt_rules, halts, lists, rates

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
    path("budgets/rates/", rates.set_rate, name="rates"),
    path("budgets/rates/new/", rates.new_rate, name="rate-new"),
    path("budgets/rates/<uuid:rate_id>/", rates.rate, name="rate"),
    path("budgets/rates/<uuid:rate_id>/end/", rates.end_rate, name="rate-end"),
    path("budgets/<uuid:budget_id>/", budgets.budget, name="budget"),
    path("budgets/<uuid:budget_id>/end/", budgets.end_budget, name="budget-end"),
    path("halts/", halts.halts, name="halts"),
    path("halts/new/", halts.halt_panel, name="halt-new"),
    path("halts/<uuid:halt_id>/", halts.halt, name="halt"),
    path("halts/rules/", halt_rules.rules, name="halt-rules"),
    path("halts/rules/<slug:slug>/retire/", halt_rules.retire, name="halt-rule-retire"),
    path("halts/drills/", halt_drills.drills, name="halt-drills"),
    path("halts/drills/<uuid:drill_id>/cancel/", halt_drills.cancel, name="halt-drill-cancel"),
    path("halts/touched/", halts.touched, name="halt-touched"),
    path("halts/<uuid:halt_id>/hold/", halts.hold, name="halt-hold"),
    path("halts/<uuid:halt_id>/lift/", halts.lift, name="halt-lift"),
]
