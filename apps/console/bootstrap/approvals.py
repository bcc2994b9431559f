"""What a process's `approvals` says: how it wants to be asked, and who may approve how much.

What a person changed or ended since stays so, as everywhere in the file; each such thing is told.
"""

import datetime as dt
from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Any

from babel.numbers import is_currency

from apps.accounts.models import Team, User
from apps.approvals.models import AuthorityLimit
from apps.approvals.queries import rules_for
from apps.approvals.services import change_rules, set_limit
from apps.approvals.worktime import public_holidays
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.core.money import Money
from apps.policies.obligations import parse_duration
from apps.registry.models import Process
from apps.registry.schemas import Problem, pointer_of

Entry = dict[str, Any]
# (slug of a team or "", username or "", currency): what one line of the table is about.
Line = tuple[str, str, str]

# Any year will do: what is asked is whether the code is known.
SOME_YEAR = 2000
# Hundredths of a percent, as the column keeps them.
PERCENT_DECIMALS = 2
# What the file calls as the rules do and says in the same way.
AS_WRITTEN = ("holidays", "counts_twice")
WHOLE_NUMBERS = ("undo_seconds", "votes_per_hour")


# --- what is wrong with it --------------------------------------------------------------------------------------------


def approvals_problems(declared: Entry, *, teams: Collection[str], people: Collection[str]) -> Iterator[Problem]:
    """Each with its pointer; `teams` and `people` are those that may be named. Its shape was checked before."""
    yield from _time_problems(declared)
    if declared.get("holidays"):
        try:
            public_holidays(declared["holidays"], SOME_YEAR)
        except Invalid as error:
            yield Problem("/holidays", error.sentence)
    for currency, amount in declared.get("step_up", {}).items():
        yield from _amount_problems(pointer_of(["step_up", currency]), amount, currency)
    if _percent(declared) != round(_percent(declared), PERCENT_DECIMALS):
        yield Problem("/second_look_percent", f"At most {PERCENT_DECIMALS} decimals.")
    if declared.get("second_look_team") is not None:
        yield from _unknown("/second_look_team", declared["second_look_team"], teams, "team")
    seen: set[Line] = set()
    for index, limit in enumerate(declared.get("limits", ())):
        for problem in _limit_problems(limit, teams, people):
            yield problem.under(f"/limits/{index}")
        if _line_of(limit) in seen:
            yield Problem(f"/limits/{index}", "This is in the file twice.")
        seen.add(_line_of(limit))


def _time_problems(declared: Entry) -> Iterator[Problem]:
    if declared.get("sla") is not None:
        try:
            parse_duration(declared["sla"])
        except ValueError as error:
            yield Problem("/sla", str(error))
    starts, ends = declared.get("work_hours", ("00:00", "24:00"))
    if ends <= starts:
        yield Problem("/work_hours", "Work has to end after it starts, on the same day.")


def _limit_problems(limit: Entry, teams: Collection[str], people: Collection[str]) -> Iterator[Problem]:
    if ("team" in limit) == ("person" in limit):
        yield Problem("", "A limit is that of one team or of one person.")
    if "team" in limit:
        yield from _unknown("/team", limit["team"], teams, "team")
    if "person" in limit:
        yield from _unknown("/person", limit["person"], people, "person")
    if not is_currency(limit["currency"]):
        yield Problem("/currency", f"“{limit['currency']}” is not a currency code.")
    else:
        yield from _amount_problems("/amount", limit["amount"], limit["currency"])


def _amount_problems(pointer: str, amount: str, currency: str) -> Iterator[Problem]:
    try:
        is_negative = Money.parse(amount, currency).minor < 0
    except Invalid as error:
        yield Problem(pointer, error.sentence)
        return
    if is_negative:
        yield Problem(pointer, "This is less than nothing.")


def _unknown(pointer: str, name: str, names: Collection[str], noun: str) -> Iterator[Problem]:
    if name not in names:
        yield Problem(pointer, f"There is no {noun} “{name}”, neither in the file nor in the console.")


def _line_of(limit: Entry) -> Line:
    return limit.get("team", ""), limit.get("person", ""), limit["currency"]


def _percent(declared: Entry) -> Decimal:
    """By way of its text: 0.1 in the file is a tenth, whatever the machine makes of it."""
    return Decimal(str(declared.get("second_look_percent", 0)))


# --- making it so -----------------------------------------------------------------------------------------------------


def load_approvals(document: Entry, actor: Actor) -> list[str]:
    """Bring rules and limits to what the file says; what it does not name stays. Tells what was left alone, and why."""
    notes: list[str] = []
    for entry in document.get("processes", []):
        if declared := entry.get("approvals"):
            process = Process.objects.get(slug=entry["slug"])
            notes += _load_rules(process, declared, actor)
            notes += _load_limits(process, declared.get("limits", []), actor)
    return notes


def _load_rules(process: Process, declared: Entry, actor: Actor) -> Iterator[str]:
    rules = rules_for(process)
    wanted = _rules_of(declared)
    changes = {name: value for name, value in wanted.items() if getattr(rules, name) != value}
    if not changes:
        return
    if rules.changed_by not in ("", actor.key):
        yield f"The rules of approvals in “{process.slug}” were changed since. They stay as they are."
        return
    change_rules(actor=actor, process=process.slug, **changes)


def _rules_of(declared: Entry) -> dict[str, Any]:
    """The rules that the file names, as the service takes them."""
    rules = {name: declared[name] for name in AS_WRITTEN if name in declared}
    # 10.0 is a whole number to JSON Schema
    rules |= {name: declared[name] and int(declared[name]) for name in WHOLE_NUMBERS if name in declared}
    if "sla" in declared:
        rules["sla_seconds"] = None if declared["sla"] is None else parse_duration(declared["sla"])
    if "work_days" in declared:
        rules["work_days"] = sorted(int(day) for day in declared["work_days"])
    if "work_hours" in declared:
        rules["work_starts"], rules["work_ends"] = map(dt.time.fromisoformat, declared["work_hours"])
    if "step_up" in declared:
        rules["step_up"] = {
            currency: Money.parse(amount, currency).minor for currency, amount in declared["step_up"].items()
        }
    if "second_look_percent" in declared:
        rules["second_look_percent"] = _percent(declared)
    if "second_look_team" in declared:
        rules["second_look_team"] = Team.objects.filter(slug=declared["second_look_team"]).first()
    return rules


def _load_limits(process: Process, limits: list[Entry], actor: Actor) -> Iterator[str]:
    latest = _latest_lines(process)
    deactivated = set(User.objects.filter(is_active=False).values_list("username", flat=True))
    for limit in limits:
        team, person, currency = line = _line_of(limit)
        minor, before = Money.parse(limit["amount"], currency).minor, latest.get(line)
        whose = f"The limit of {team or person} in {currency} in “{process.slug}”"
        if before is not None and before.ended_at is not None:
            yield f"{whose} was ended. It was not set again."
        elif before is not None and before.set_by != actor.key:
            if before.limit_minor != minor:
                yield f"{whose} was changed since. It stays as it is."
        elif before is not None and (before.limit_minor, before.reason) == (minor, limit["reason"]):
            continue
        elif person in deactivated:
            yield f"{whose} was not set: {person} is deactivated."
        else:
            set_limit(
                actor=actor,
                process=process.slug,
                team=team or None,
                person=person or None,
                currency=currency,
                limit_minor=minor,
                reason=limit["reason"],
            )


def _latest_lines(process: Process) -> dict[Line, AuthorityLimit]:
    """The last line about each, ended or not."""
    lines = AuthorityLimit.objects.filter(process=process).select_related("team", "person").order_by("set_at", "id")
    return {
        (line.team.slug if line.team else "", line.person.username if line.person else "", line.currency): line
        for line in lines
    }
