from django.urls import path

from apps.retention import api

urlpatterns = [
    path("retention-rules", api.RetentionRules.as_view(), name="api-retention-rules"),
    path("retention-rules/<uuid:rule_id>", api.RetentionRuleView.as_view(), name="api-retention-rule"),
    path("legal-holds", api.LegalHolds.as_view(), name="api-legal-holds"),
    path("legal-holds/<uuid:hold_id>/lift", api.LegalHoldLift.as_view(), name="api-legal-hold-lift"),
    path("runs/<uuid:run_id>/erase", api.RunErase.as_view(), name="api-run-erase"),
]
