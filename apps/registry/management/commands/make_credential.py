"""`manage make_credential o2c-writer`: prints a new client id and secret once."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.actor import system_actor
from apps.core.errors import MeshError
from apps.registry.queries import agent_for
from apps.registry.services import make_credential


class Command(BaseCommand):
    help = "Make client credentials for an agent and print them, this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("agent", help="its slug or id")

    def handle(self, *args: Any, agent: str, **options: Any) -> None:
        actor = system_actor("command-line")
        try:
            found = agent_for(actor, agent)
        except MeshError:
            raise CommandError(f"There is no agent “{agent}”.") from None
        credential, secret = make_credential(agent=found, actor=actor)
        made = {"agent": found.slug, "client_id": credential.client_id, "client_secret": secret}
        self.stdout.write(json.dumps(made))
