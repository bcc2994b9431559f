"""`manage halt place|lift|list`: the same acts as on the page, with the database alone. No web server, broker or worker
is needed.
"""

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import User
from apps.accounts.requests import actor_for
from apps.core import clock
from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.errors import MeshError
from apps.core.ids import parse_uuid
from apps.gateway.models import CallState
from apps.gateway.preview import calls_when_placed
from apps.halts import services
from apps.halts.models import Halt, Mode, ReasonCode, Scope
from apps.halts.overlap import still_holding
from apps.halts.queries import halts_visible_to
from apps.registry.models import Environment


class Command(BaseCommand):
    help = "Place, lift or list halts as an operator, with the database alone: web, broker and workers may be down."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="place|lift|list")
        place = acts.add_parser("place", help="stop what the scope names; returns when it is in force")
        place.add_argument("scope", choices=Scope.values)
        place.add_argument("reference", nargs="?", default="", help="what of that kind, as docs/halts.md writes it")
        place.add_argument("--environment", choices=Environment.values, default=Environment.PRODUCTION.value)
        place.add_argument("--mode", choices=Mode.values, default=Mode.HOLD.value)
        place.add_argument("--reason-code", choices=ReasonCode.values, required=True)
        place.add_argument("--reason", default="", help="in words")
        place.add_argument("--hours", type=float, help="how long it holds; 4 unless said otherwise")
        lift = acts.add_parser("lift", help="end a halt, or ask a second person where it is wide")
        lift.add_argument("halt", help="its id, as `list` prints it")
        lift.add_argument("--reason", required=True, help="why it is safe to start again")
        listed = acts.add_parser("list", help="what is in force")
        for act in (place, lift, listed):
            act.add_argument("--as", dest="operator", required=True, metavar="USERNAME", help="who does this")

    def handle(self, *args: Any, act: str, operator: str, **options: Any) -> None:
        user = User.objects.filter(username=operator, is_active=True).first()
        if user is None:
            raise CommandError(f"There is no person “{operator}”.")
        actor = actor_for(user, via="command")
        try:
            {"place": self._place, "lift": self._lift, "list": self._list}[act](actor, options)
        except MeshError as error:
            raise CommandError(error.sentence) from None

    def _place(self, actor: Actor, options: dict[str, Any]) -> None:
        hours = options["hours"]
        halt = services.place_halt(
            actor=actor,
            scope_type=options["scope"],
            scope_reference=options["reference"],
            environment=options["environment"],
            mode=options["mode"],
            reason_code=options["reason_code"],
            reason=options["reason"],
            expires_at=clock.now() + dt.timedelta(hours=hours) if hours is not None else None,
        )
        calls = [call for call in calls_when_placed(actor, halt) if call.state == CallState.EXECUTING]
        self.stdout.write(f"{halt.id}\nIn force since {rfc3339(halt.placed_at)}: {halt}.")
        self.stdout.write(
            f"Last call admitted {rfc3339(halt.last_admitted_at) or 'more than a day before'};"
            f" {len(calls)} finishing; {halt.time_to_stop_ms} ms from the command to the commit."
        )
        for call in calls:
            self.stdout.write(f"  still executing: {call.tool.name} by {call.agent.slug} {call.entity_id}".rstrip())

    def _lift(self, actor: Actor, options: dict[str, Any]) -> None:
        halt_id = parse_uuid(options["halt"])
        if halt_id is None:
            raise CommandError("Name the halt by its id; `list` prints it.")
        halt = services.lift_halt(actor=actor, halt_id=halt_id, reason=options["reason"])
        if halt.lifted_at is None:
            request = halt.lift_requests.get(state="waiting")
            self.stdout.write(
                "It still holds. A second person has to agree, then it starts again in steps:"
                f" {settings.BASE_URL}/inbox/{request.approval_id}/"
            )
            return
        self.stdout.write(f"Lifted: {halt}.")
        for other in still_holding(actor, halt):
            self.stdout.write(f"  still in force over some of it: {other} ({other.id})")

    def _list(self, actor: Actor, options: dict[str, Any]) -> None:
        seen = halts_visible_to(actor).values("id")
        in_force = list(Halt.objects.in_force().filter(id__in=seen).order_by("id"))
        for halt in in_force:
            ramp = f", {halt.ramp_percent(halt.seen_at)} % let through" if halt.ramp_started_at else ""
            self.stdout.write(
                f"{halt.id}  {halt.environment}  {halt}{ramp}, since {rfc3339(halt.placed_at)}"
                f" by {halt.placed_by_name}: {halt.get_reason_code_display()}"
            )
        if not in_force:
            self.stdout.write("Nothing is halted.")
