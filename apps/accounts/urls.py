"""Signing in and out, and confirming it is still oneself. What else allauth can do is not wired until it is offered."""

from django.urls import path

from apps.accounts import views

urlpatterns = [
    path("accounts/login/", views.SignInView.as_view(), name="account_login"),
    path("accounts/logout/", views.SignOutView.as_view(), name="account_logout"),
    path("accounts/reauthenticate/", views.ConfirmView.as_view(), name="account_reauthenticate"),
    path("accounts/demo/", views.demo_sign_in, name="demo-sign-in"),
]
