from django.urls import path

from apps.gateway import views

urlpatterns = [
    path("inbox/<uuid:approval_id>/edit/", views.edit_approval, name="approval-edit"),
]
