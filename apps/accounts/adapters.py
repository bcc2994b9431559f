"""What allauth asks the product about people."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest

from apps.accounts.models import User


class ClosedSignUp(DefaultAccountAdapter):
    """People are made by an administrator; nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """The person, if they may come in. Someone deactivated gets the answer to a wrong password."""
        user = super().authenticate(request, **credentials)
        return user if user is not None and user.is_active else None


def display_name(user: User) -> str:
    """How a person is called in sentences."""
    return str(user)
