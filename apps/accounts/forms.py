"""The sign-in form."""

from typing import Any

from allauth.account.forms import LoginForm
from django.utils.translation import gettext_lazy as _


class SignInForm(LoginForm):
    """allauth's, in words of ours and without “remember me”: a session ends with the browser, or after half a day."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("Username or email")
        self.fields["login"].widget.attrs = {"autocomplete": "username"}
        self.fields["password"].widget.attrs = {"autocomplete": "current-password"}
        self.fields.pop("remember", None)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean()  # type: ignore[no-untyped-call]
        return {**cleaned, "remember": False}
