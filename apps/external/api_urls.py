from django.urls import path

from apps.external import api

urlpatterns = [
    # before the queue's own route, whose view this one extends
    path("approvals", api.ApprovalsWithRequests.as_view(), name="api-approvals"),
    path("external-approvals/<uuid:request_id>", api.ExternalApprovalDetail.as_view(), name="api-external-approval"),
    path(
        "external-approvals/<uuid:request_id>/versions",
        api.ExternalApprovalVersions.as_view(),
        name="api-external-approval-versions",
    ),
    path(
        "external-approvals/<uuid:request_id>/claim",
        api.ExternalApprovalClaim.as_view(),
        name="api-external-approval-claim",
    ),
    path(
        "external-approvals/<uuid:request_id>/cancel",
        api.ExternalApprovalCancellation.as_view(),
        name="api-external-approval-cancel",
    ),
]
