"""Every URL of the API, version 1, and its schema."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from apps.api import budgets, halt_rules, halts, policies, runs
from apps.registry.views import oauth_token
from apps.telemetry.views import traces

urlpatterns = [
    path("oauth/token", oauth_token, name="oauth-token"),
    path("v1/traces", traces, name="otlp-traces"),
    path("api/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/v1/", include("apps.gateway.api_urls")),
    path("api/v1/", include("apps.runs.api_urls")),
    path("api/v1/", include("apps.external.api_urls")),
    path("api/v1/", include("apps.telemetry.api_urls")),
    path("api/v1/", include("apps.approvals.api_urls")),
    path("api/v1/halts", halts.Halts.as_view(), name="api-halts"),
    path("api/v1/halt-rules", halt_rules.HaltRules.as_view(), name="api-halt-rules"),
    path("api/v1/halt-rules/<slug:slug>/retire", halt_rules.HaltRuleRetire.as_view(), name="api-halt-rule-retire"),
    path("api/v1/halt-drills", halt_rules.HaltDrills.as_view(), name="api-halt-drills"),
    path("api/v1/halt-drills/<uuid:drill_id>/cancel", halt_rules.HaltDrillCancel.as_view(), name="api-drill-cancel"),
    path("api/v1/halts/preview", halts.HaltPreviewView.as_view(), name="api-halt-preview"),
    path("api/v1/halts/<uuid:halt_id>", halts.HaltDetail.as_view(), name="api-halt"),
    path("api/v1/halts/<uuid:halt_id>/lift", halts.HaltLift.as_view(), name="api-halt-lift"),
    path("api/v1/budgets", budgets.Budgets.as_view(), name="api-budgets"),
    path("api/v1/budgets/<uuid:budget_id>", budgets.BudgetDetail.as_view(), name="api-budget"),
    path("api/v1/budgets/<uuid:budget_id>/end", budgets.BudgetEnd.as_view(), name="api-budget-end"),
    path("api/v1/rates", budgets.Rates.as_view(), name="api-rates"),
    path("api/v1/rates/<uuid:rate_id>/end", budgets.RateEnd.as_view(), name="api-rate-end"),
    path("api/v1/runs/<uuid:run_id>/extend", runs.RunExtend.as_view(), name="api-run-extend"),
    path("api/v1/usage", budgets.UsageReports.as_view(), name="api-usage"),
    path("api/v1/run-holds", budgets.RunHolds.as_view(), name="api-run-holds"),
    path("api/v1/run-holds/<uuid:hold_id>/release", budgets.RunHoldRelease.as_view(), name="api-run-hold-release"),
    path("api/v1/halts/<uuid:halt_id>/hold", halts.HaltHold.as_view(), name="api-halt-hold"),
    path("api/v1/policies", policies.PolicySets.as_view(), name="api-policies"),
    path("api/v1/policies/<slug:policy_set>/versions", policies.PolicyVersions.as_view(), name="api-policy-versions"),
    path(
        "api/v1/policies/<slug:policy_set>/versions/<int:version>",
        policies.PolicyVersion.as_view(),
        name="api-policy-version",
    ),
    path(
        "api/v1/policies/<slug:policy_set>/versions/<int:version>/promote",
        policies.PolicyPromote.as_view(),
        name="api-policy-promote",
    ),
    path(
        "api/v1/policies/<slug:policy_set>/versions/<int:version>/roll-back",
        policies.PolicyRollBack.as_view(),
        name="api-policy-roll-back",
    ),
    path("api/v1/policies/<slug:policy_set>/diff", policies.PolicyDiff.as_view(), name="api-policy-diff"),
    path("api/v1/policies/<slug:policy_set>/drafts", policies.PolicyDrafts.as_view(), name="api-policy-drafts"),
    path("api/v1/policy-drafts/<uuid:draft_id>", policies.PolicyDraftDetail.as_view(), name="api-policy-draft"),
    path(
        "api/v1/policy-drafts/<uuid:draft_id>/boundary-cases",
        policies.PolicyDraftBoundaries.as_view(),
        name="api-policy-draft-boundaries",
    ),
    path(
        "api/v1/policy-drafts/<uuid:draft_id>/rebase",
        policies.PolicyDraftRebase.as_view(),
        name="api-policy-draft-rebase",
    ),
    path(
        "api/v1/policy-drafts/<uuid:draft_id>/discard",
        policies.PolicyDraftDiscard.as_view(),
        name="api-policy-draft-discard",
    ),
    path("api/v1/policy-drafts/<uuid:draft_id>/send", policies.PolicyDraftSend.as_view(), name="api-policy-draft-send"),
    path("api/v1/policy-reviews/<uuid:review_id>", policies.PolicyReview.as_view(), name="api-policy-review"),
    path(
        "api/v1/policy-reviews/<uuid:review_id>/withdraw",
        policies.PolicyReviewWithdraw.as_view(),
        name="api-policy-review-withdraw",
    ),
    path("api/v1/", include("apps.registry.api_urls")),
    path("api/v1/", include("apps.accounts.api_urls")),
]
