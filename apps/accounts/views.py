"""Signing in and out."""

from typing import Any

from allauth.account.views import LoginView, LogoutView
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME, login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from apps.accounts.demo import demo_people, demo_person
from apps.accounts.forms import SignInForm
from apps.core.errors import NotFound

BACKEND = "django.contrib.auth.backends.ModelBackend"


class SignInView(LoginView):
    """allauth's sign-in with its rate limits, and the demo's buttons as `demo_people`."""

    form_class = SignInForm
    http_method_names = ["get", "head", "post", "options"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "demo_people": demo_people()}


class SignOutView(LogoutView):
    """Signs out on POST alone: a picture in a mail must not."""

    http_method_names = ["post", "options"]


@require_POST
def demo_sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in as one of the demo's people, without a password. 404 for anyone else, and everywhere but in a demo."""
    user = demo_person(request.POST.get("username", ""))
    if user is None:
        raise NotFound("demo.not_found")
    request.sign_in_method = "demo"  # type: ignore[attr-defined]
    login(request, user, backend=BACKEND)
    return redirect(_destination(request))


def _destination(request: HttpRequest) -> str:
    """Where they were on the way to, as long as that is here."""
    wanted = request.POST.get(REDIRECT_FIELD_NAME, "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if is_ours else settings.LOGIN_REDIRECT_URL
