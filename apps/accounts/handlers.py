"""Signing in, failing to and signing out, into the audit log. Django tells of all three, whichever page it was."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Q

from apps.accounts.models import User
from apps.accounts.requests import SESSION, actor_for
from apps.audit import services as audit
from apps.core.actor import system_actor


def connect() -> None:
    user_logged_in.connect(signed_in, dispatch_uid="accounts.signed_in")
    user_login_failed.connect(sign_in_failed, dispatch_uid="accounts.sign_in_failed")
    user_logged_out.connect(signed_out, dispatch_uid="accounts.signed_out")


def signed_in(*, request: Any, user: User, **_: Any) -> None:
    method = getattr(request, "sign_in_method", "password")
    _record("person.signed_in", user, {"method": method})


def signed_out(*, user: User | None, **_: Any) -> None:
    if user is not None:
        _record("person.signed_out", user)


def sign_in_failed(*, credentials: dict[str, Any], **_: Any) -> None:
    """Names the person whose name was tried. What was typed is not kept: it may be a password in the wrong field."""
    typed = str(credentials.get("email") or credentials.get("username") or "")
    user = User.objects.filter(Q(username=typed) | Q(email__iexact=typed)).first() if typed else None
    audit.record(
        system_actor("sign-in"),
        "person.sign_in_failed",
        subject_type="person",
        subject_id=user.id if user else "unknown",
        subject_name=str(user) if user else "",
    )


def _record(code: str, user: User, data: dict[str, Any] | None = None) -> None:
    actor = actor_for(user, via=SESSION)
    audit.record(actor, code, subject_type="person", subject_id=user.id, subject_name=str(user), data=data)
