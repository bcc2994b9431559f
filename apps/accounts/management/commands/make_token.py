"""`manage make_token dana --name "Month-end script" --days 30`: prints the secret once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import User
from apps.accounts.services import make_token
from apps.core.actor import system_actor
from apps.core.errors import MeshError

DEFAULT_DAYS = 30


class Command(BaseCommand):
    help = "Make a personal token for a person and print its secret, this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", required=True, help="what the token is for")
        parser.add_argument("--days", type=int, default=DEFAULT_DAYS, help="how long it holds")

    def handle(self, *args: Any, username: str, name: str, days: int, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no person “{username}”.")
        try:
            _, secret = make_token(user=user, name=name, days=days, actor=system_actor("command-line"))
        except MeshError as error:
            raise CommandError(error.sentence) from None
        self.stdout.write(secret)
