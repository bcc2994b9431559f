"""What a file says of budgets and rates: set by the services that set them for people, whose changes stay."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from apps.budgets.models import IN_MONEY, Budget, Rate, RateScope, Scope
from apps.budgets.queries import target_for
from apps.budgets.services import (
    Wanted,
    WantedRate,
    check_wanted,
    check_wanted_rate,
    rate_target_for,
    set_budget,
    set_rate,
)
from apps.core.actor import Actor
from apps.core.errors import Invalid, NotFound
from apps.core.money import Money
from apps.registry.models import Agent, Process
from apps.registry.schemas import Problem

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Places:
    """What a scope may name, from the file and from the database: each agent and each team that owns one with its
    environments, the processes, and their business units.
    """

    agents: dict[str, set[str]]
    teams: dict[str, set[str]]
    processes: set[str]
    units: set[str]

    @classmethod
    def of(cls, agents: list[Any], processes: list[Any]) -> "Places":
        found = cls(defaultdict(set), defaultdict(set), set(), set())
        owned: list[tuple[Any, Any, Any]] = list(Agent.objects.values_list("slug", "owner_team__slug", "environment"))
        owned += [(one.get("slug"), one.get("owner_team"), one.get("environment")) for one in _objects(agents)]
        for slug, team, environment in owned:
            if isinstance(slug, str) and isinstance(team, str) and isinstance(environment, str):
                found.agents[slug].add(environment)
                found.teams[team].add(environment)
        named: list[tuple[Any, Any]] = list(Process.objects.values_list("slug", "business_unit"))
        named += [(one.get("slug"), one.get("business_unit")) for one in _objects(processes)]
        found.processes.update(slug for slug, _ in named if isinstance(slug, str))
        found.units.update(unit for _, unit in named if isinstance(unit, str) and unit)
        return found


def _objects(entries: list[Any]) -> list[Entry]:
    return [entry for entry in entries if isinstance(entry, dict)]


# --- what is wrong with them ------------------------------------------------------------------------------------------


def budget_problems(entry: Entry, places: Places) -> Iterator[Problem]:
    """Each with its pointer; its shape was checked before."""
    scope = entry["scope"]
    if scope["type"] != Scope.MESH:
        yield from _scope_problems(scope, entry["environment"], places, ())
    elif "id" in scope:
        yield Problem("/scope/id", "The mesh needs no name.")
    amounts = list(_amount_problems(entry))
    yield from amounts
    if not amounts:
        try:
            check_wanted(_wanted(entry))
        except Invalid as error:
            yield from (Problem(flaw["pointer"], flaw["sentence"]) for flaw in error.details["errors"])


def rate_problems(entry: Entry, places: Places, *, tools: Collection[str]) -> Iterator[Problem]:
    yield from _scope_problems(entry["scope"], entry["environment"], places, tools)
    try:
        check_wanted_rate(_wanted_rate(entry))
    except Invalid as error:
        yield from (Problem(flaw["pointer"], flaw["sentence"]) for flaw in error.details["errors"])


def _scope_problems(scope: Entry, environment: str, places: Places, tools: Collection[str]) -> Iterator[Problem]:
    if "id" not in scope:
        yield Problem("/scope/id", f"Name the {scope['type'].replace('_', ' ')}.")
        return
    name = scope["id"]
    found = {
        Scope.AGENT.value: environment in places.agents.get(name, ()),
        Scope.TEAM.value: bool(places.teams.get(name)),
        Scope.PROCESS.value: name in places.processes,
        Scope.BUSINESS_UNIT.value: name in places.units,
        RateScope.TOOL.value: name in tools,
    }
    if not found[scope["type"]]:
        nouns = {"agent": f"agent in {environment}", "team": "team that owns an agent"}
        noun = nouns.get(scope["type"], scope["type"].replace("_", " "))
        yield Problem("/scope/id", f"There is no {noun} “{name}”, neither in the file nor in the console.")


def _amount_problems(entry: Entry) -> Iterator[Problem]:
    """Money is written as text, as everywhere in the file; what is counted as a whole number."""
    in_money = entry["measure"] in IN_MONEY
    for name in ("cap", "estimate"):
        amount = entry.get(name)
        if amount is None:
            continue
        if isinstance(amount, str) != in_money:
            wanted = 'an amount in text, as in "2500.00"' if in_money else "a whole number"
            yield Problem(f"/{name}", f"Must be {wanted}.")
        elif in_money:
            try:
                Money.parse(amount, entry.get("currency", ""))
            except Invalid as error:
                yield Problem("/currency" if not entry.get("currency") else f"/{name}", error.sentence)


def _wanted(entry: Entry) -> Wanted:
    return Wanted(
        scope_type=entry["scope"]["type"],
        scope_reference=entry["scope"].get("id", ""),
        environment=entry["environment"],
        measure=entry["measure"],
        window=entry["window"],
        cap=_minor(entry, "cap") or 0,
        currency=entry.get("currency", ""),
        estimate=_minor(entry, "estimate"),
        reason=entry["reason"],
    )


def _minor(entry: Entry, name: str) -> int | None:
    amount = entry.get(name)
    if isinstance(amount, str):
        return Money.parse(amount, entry["currency"]).minor
    return None if amount is None else int(amount)


def _wanted_rate(entry: Entry) -> WantedRate:
    return WantedRate(
        scope_type=entry["scope"]["type"],
        scope_reference=entry["scope"]["id"],
        environment=entry["environment"],
        capacity=int(entry["capacity"]),
        refill_per_second=entry["refill_per_second"],
        reason=entry["reason"],
    )


# --- making them so ---------------------------------------------------------------------------------------------------


def differs_in_budgets(document: Entry, actor: Actor) -> bool:
    """Whether loading the file would set a budget."""
    every = map(_wanted, document.get("budgets", []))
    return any(_would_set(wanted, _latest(wanted, actor), actor) for wanted in every)


def load_budgets(document: Entry, actor: Actor) -> Iterator[str]:
    """Set what differs, and tell what a person changed or ended since and so stays."""
    for wanted in map(_wanted, document.get("budgets", [])):
        latest = _latest(wanted, actor)
        if _would_set(wanted, latest, actor):
            set_budget(actor=actor, wanted=wanted)
        elif latest is not None and latest.ended_at is not None:
            yield f"The budget of {latest} was ended. It was not set again."
        elif latest is not None and (latest.cap, latest.estimate) != (wanted.cap, wanted.estimate):
            yield f"The budget of {latest} was changed since. It stays as it is."


def _would_set(wanted: Wanted, latest: Budget | None, actor: Actor) -> bool:
    if latest is None:
        return True
    differs = (latest.cap, latest.estimate) != (wanted.cap, wanted.estimate)
    return differs and latest.ended_at is None and latest.set_by == actor.key


def _latest(wanted: Wanted, actor: Actor) -> Budget | None:
    """The last one on the same thing, ended or not; None too of what is only about to be made."""
    try:
        target = target_for(
            actor, scope_type=wanted.scope_type, reference=wanted.scope_reference, environment=wanted.environment
        )
    except NotFound:
        return None
    budgets = Budget.objects.filter(
        scope_type=target.scope_type,
        scope_id=target.scope_id,
        environment=wanted.environment,
        measure=wanted.measure,
        currency=wanted.currency,
        window=wanted.window,
    )
    return budgets.order_by("-id").first()


def load_rates(document: Entry, actor: Actor) -> Iterator[str]:
    """The same of rates."""
    for wanted in map(_wanted_rate, document.get("rates", [])):
        scope = rate_target_for(actor, wanted)
        rates = Rate.objects.filter(scope_id=scope.id, environment=wanted.environment)
        latest = rates.order_by("-id").first()
        if latest is None:
            set_rate(actor=actor, wanted=wanted)
            continue
        differs = (latest.capacity, latest.refill_per_second) != (wanted.capacity, wanted.refill_per_second)
        if latest.ended_at is not None:
            yield f"The rate of {latest} was ended. It was not set again."
        elif differs and latest.set_by != actor.key:
            yield f"The rate of {latest} was changed since. It stays as it is."
        elif differs:
            set_rate(actor=actor, wanted=wanted)
