from django.urls import path

from apps.approvals import views

urlpatterns = [
    path("inbox/", views.inbox, name="inbox"),
    path("inbox/<uuid:approval_id>/", views.approval, name="approval"),
    path("inbox/<uuid:approval_id>/vote/", views.vote, name="approval-vote"),
]
