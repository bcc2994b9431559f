from django.urls import path

from apps.approvals import api, api_authority, api_oversight, api_queue

urlpatterns = [
    path("delegations", api_authority.Delegations.as_view(), name="api-delegations"),
    path("delegations/<uuid:delegation_id>/end", api_authority.DelegationEnd.as_view(), name="api-delegation-end"),
    path("processes/<slug:process>/authority-limits", api_authority.Limits.as_view(), name="api-authority-limits"),
    path("authority-limits/<uuid:limit_id>/end", api_authority.LimitEnd.as_view(), name="api-authority-limit-end"),
    path("processes/<slug:process>/approval-rules", api_authority.Rules.as_view(), name="api-approval-rules"),
    path("approvals", api.Approvals.as_view(), name="api-approvals"),
    path("approvals/<uuid:approval_id>", api.ApprovalDetail.as_view(), name="api-approval"),
    path("approvals/<uuid:approval_id>/escalate", api_oversight.Escalations.as_view(), name="api-approval-escalate"),
    path("approvals/<uuid:approval_id>/extend", api_oversight.Extension.as_view(), name="api-approval-extend"),
    path("second-looks", api_oversight.SecondLooks.as_view(), name="api-second-looks"),
    path("second-looks/<uuid:look_id>/opinion", api_oversight.SecondOpinionGiven.as_view(), name="api-second-opinion"),
    path("approvals/<uuid:approval_id>/votes", api.Votes.as_view(), name="api-approval-votes"),
    path("approvals/<uuid:approval_id>/snooze", api_queue.SnoozeView.as_view(), name="api-approval-snooze"),
    path("approval-views", api_queue.SavedViews.as_view(), name="api-approval-views"),
    path("approval-views/<uuid:view_id>", api_queue.SavedViewDetail.as_view(), name="api-approval-view"),
    path("approval-selections", api_queue.Selections.as_view(), name="api-approval-selections"),
    path("approval-selections/<uuid:selection_id>", api_queue.SelectionDetail.as_view(), name="api-approval-selection"),
    path(
        "approval-selections/<uuid:selection_id>/votes",
        api_queue.SelectionVotes.as_view(),
        name="api-approval-selection-votes",
    ),
    path("bulk-votes/<uuid:bulk_id>", api_queue.BulkVotes.as_view(), name="api-bulk-vote"),
    path("bulk-votes/<uuid:bulk_id>/cancel", api_queue.BulkVoteCancel.as_view(), name="api-bulk-vote-cancel"),
    path("bulk-votes/<uuid:bulk_id>/withdraw", api_queue.BulkVoteWithdraw.as_view(), name="api-bulk-vote-withdraw"),
]
