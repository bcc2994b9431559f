"""Every page."""

from django.urls import include, path
from django.views.generic import RedirectView

from apps.console.views import budgets, halt_drills, halt_rules, halts, lists, policies, policy_drafts

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
    path("halts/rules/", halt_rules.rules, name="halt-rules"),
    path("halts/rules/<slug:slug>/retire/", halt_rules.retire, name="halt-rule-retire"),
    path("halts/drills/", halt_drills.drills, name="halt-drills"),
    path("halts/drills/<uuid:drill_id>/cancel/", halt_drills.cancel, name="halt-drill-cancel"),
    path("halts/touched/", halts.touched, name="halt-touched"),
    path("halts/<uuid:halt_id>/hold/", halts.hold, name="halt-hold"),
    path("halts/<uuid:halt_id>/lift/", halts.lift, name="halt-lift"),
    path("policies/", policies.policies, name="policies"),
    path("policies/drafts/<uuid:draft_id>/", policy_drafts.draft, name="policy-draft"),
    path("policies/drafts/<uuid:draft_id>/check/", policy_drafts.check_draft, name="policy-draft-check"),
    path("policies/drafts/<uuid:draft_id>/add-cases/", policy_drafts.add_cases, name="policy-draft-add-cases"),
    path("policies/drafts/<uuid:draft_id>/cases/", policy_drafts.download_cases, name="policy-draft-cases"),
    path("policies/drafts/<uuid:draft_id>/discard/", policy_drafts.discard, name="policy-draft-discard"),
    path("policies/drafts/<uuid:draft_id>/rebase/", policy_drafts.rebase, name="policy-draft-rebase"),
    path("policies/drafts/<uuid:draft_id>/send/", policy_drafts.send, name="policy-draft-send"),
    path("policies/reviews/<uuid:request_id>/", policies.policy_review, name="policy-review"),
    path("policies/reviews/<uuid:request_id>/withdraw/", policies.withdraw_review, name="policy-review-withdraw"),
    path("policies/<slug:slug>/", policies.policy_set, name="policy-set"),
    path("policies/<slug:slug>/drafts/", policy_drafts.start, name="policy-draft-start"),
    path("policies/<slug:slug>/diff/", policies.policy_diff, name="policy-diff"),
    path("policies/<slug:slug>/versions/<int:version>/", policies.policy_version, name="policy-version"),
    path("policies/<slug:slug>/versions/<int:version>/decisions/", policies.policy_decisions, name="policy-decisions"),
    path("policies/<slug:slug>/versions/<int:version>/promote/", policies.promote, name="policy-promote"),
    path("policies/<slug:slug>/versions/<int:version>/roll-back/", policies.roll_back, name="policy-roll-back"),
]
