from django.urls import path

from apps.approvals import api

urlpatterns = [
    path("approvals", api.Approvals.as_view(), name="api-approvals"),
    path("approvals/<uuid:approval_id>", api.ApprovalDetail.as_view(), name="api-approval"),
    path("approvals/<uuid:approval_id>/votes", api.Votes.as_view(), name="api-approval-votes"),
]
