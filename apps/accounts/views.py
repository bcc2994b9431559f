"""Signing in and out, and saying once more who one is."""

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.views import LoginView, LogoutView, ReauthenticateView
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME, login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from apps.accounts.demo import demo_people, demo_person
from apps.accounts.forms import SignInForm
from apps.accounts.requests import actor_of, person_of
from apps.audit import services as audit
from apps.core.errors import Exhausted, NotFound

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


class ConfirmView(ReauthenticateView):
    """The password once more (step-up), for acts that need to know that it is still this person. A demo's people may
    press their button instead.
    """

    http_method_names = ["get", "head", "post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        person_of(request)
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {
            **super().get_context_data(**kwargs),
            "demo_person": demo_person(person_of(self.request).username),
            "back_url": self.get_success_url(),  # type: ignore[no-untyped-call]
        }

    def form_valid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        person = person_of(self.request)
        actor = actor_of(self.request)
        audit.record(actor, "person.confirmed", subject_type="person", subject_id=person.id, subject_name=str(person))
        return response

    def _check_ratelimit(self, request: HttpRequest) -> None:
        """allauth's limit, ten in a minute, told as every other refusal here."""
        if super()._check_ratelimit(request) is not None:
            raise Exhausted("person.confirmed_too_often", "That was too often. Wait a minute and try again.")


@require_POST
def demo_sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in as one of the demo's people, without a password. 404 for anyone else, and everywhere but in a demo."""
    user = demo_person(request.POST.get("username", ""))
    if user is None:
        raise NotFound("demo.not_found")
    request.sign_in_method = "demo"  # type: ignore[attr-defined]
    login(request, user, backend=BACKEND)
    # as allauth does for a password: a click on the button proves as much here, so it serves for step-up too
    record_authentication(request, user, method="demo")
    return redirect(_destination(request))


def _destination(request: HttpRequest) -> str:
    """Where they were on the way to, as long as that is here."""
    wanted = request.POST.get(REDIRECT_FIELD_NAME, "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if is_ours else settings.LOGIN_REDIRECT_URL
