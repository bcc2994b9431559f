"""Everything that is wrong with a bootstrap file, at once: its shape, its values, and what it refers to.

A reference is good when the file or the database has what it names.
"""

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from babel.numbers import is_currency
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.accounts.models import Team, User
from apps.console.bootstrap.approvals import approvals_problems
from apps.console.bootstrap.shape import VALIDATOR
from apps.console.bootstrap.spending import Places, budget_problems, rate_problems
from apps.core.errors import Invalid
from apps.core.ids import parse_uuid
from apps.policies.models import GLOBAL_SET
from apps.policies.obligations import parse_duration
from apps.policies.queries import facts_of_definition
from apps.policies.services import validate_policies
from apps.registry.definitions import Definition, definition_of, problems_of
from apps.registry.masking import SECRET
from apps.registry.models import Agent, Connector, Process, Tool
from apps.registry.schemas import Problem, pointer_of, violations
from apps.registry.services.tools import by_name
from apps.retention.models import WITHOUT_CLASS, Content

Entry = dict[str, Any]
Sections = dict[str, list[tuple[int, Any]]]

# How each kind of authentication is made up besides its type.
AUTH_NEEDS: dict[str, set[str]] = {
    "none": set(),
    "bearer": {"secret"},
    "basic": {"name", "secret"},
    "header": {"name", "secret"},
}


# NUL and lone surrogates
UNSTORABLE = re.compile("[\0\ud800-\udfff]")

time_zones = cache(zoneinfo.available_timezones)


@dataclass(frozen=True, slots=True)
class Known:
    """What may be referred to, from the file and from the database; of agents and people also what the database has."""

    teams: set[str]
    people: set[str]
    processes: set[str]
    connectors: set[str]
    agents: set[str]
    tools: dict[str, Definition]
    places: dict[str, tuple[str, str]]
    emails: dict[str, str]
    scopes: Places


def read_moment(text: str) -> dt.datetime | None:
    """The moment that RFC 3339 text names, None for anything else."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def document_problems(document: Any) -> list[Problem]:
    """Each problem with its pointer; empty when the file can be loaded."""
    if unstorable := list(_unstorable(document)):
        return unstorable
    found = violations(VALIDATOR, document)
    if not isinstance(document, dict):
        return found
    sections = _sound_entries(document, found)
    known = _known(document)
    for section, check in CHECKS.items():
        for index, entry in sections[section]:
            found += [problem.under(f"/{section}/{index}") for problem in check(entry, known)]
        found += _twice(section, sections[section])
    # what is wrong with a tool would be told again of each policy that speaks of it
    if not any(problem.pointer.startswith("/tools") for problem in found):
        found += _policy_problems(sections, known)
    return found


def _sound_entries(document: Entry, found: list[Problem]) -> Sections:
    """(index, entry) by section of those whose shape is right, so that the checks need not ask again."""
    broken = {"/".join(problem.pointer.split("/")[:3]) for problem in found}
    sections: Sections = {}
    for section in CHECKS:
        entries = document.get(section)
        pairs = enumerate(entries if isinstance(entries, list) else ())
        sections[section] = [(index, entry) for index, entry in pairs if f"/{section}/{index}" not in broken]
    return sections


def _unstorable(value: Any, pointer: str = "") -> Iterator[Problem]:
    """Text that JSON can carry and PostgreSQL cannot: NUL, and halves of characters."""
    if isinstance(value, str):
        if UNSTORABLE.search(value):
            yield Problem(pointer, "This text holds a character that cannot be stored.")
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _unstorable(name, pointer)
            yield from _unstorable(part, pointer + pointer_of([name]))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _unstorable(part, f"{pointer}/{index}")


def _known(document: Entry) -> Known:
    agents = Agent.objects.values_list("slug", "process__slug", "environment")
    places = {slug: (process, environment) for slug, process, environment in agents}
    tools = {tool.name: definition_of(tool) for tool in Tool.objects.select_related("connector")}
    people = User.objects.exclude(email="").values_list("email", "username")
    scopes = Places.of(_entries(document, "agents"), _entries(document, "processes"))
    return Known(
        scopes=scopes,
        teams=_named(document, "teams").union(Team.objects.values_list("slug", flat=True)),
        people=_named(document, "people", "username").union(User.objects.values_list("username", flat=True)),
        processes=_named(document, "processes").union(Process.objects.values_list("slug", flat=True)),
        connectors=_named(document, "connectors").union(Connector.objects.values_list("slug", flat=True)),
        agents=_named(document, "agents").union(places),
        tools={**tools, **by_name(_entries(document, "tools"))},
        places=places,
        emails={email.casefold(): username for email, username in people},
    )


def _entries(document: Entry, section: str) -> list[Any]:
    entries = document.get(section)
    return entries if isinstance(entries, list) else []


def _named(document: Entry, section: str, key: str = "slug") -> set[str]:
    """Names of a section, also of entries with something else wrong: one mistake is told once."""
    names = (entry.get(key) for entry in _entries(document, section) if isinstance(entry, dict))
    return {name for name in names if isinstance(name, str)}


# --- one entry of each section ----------------------------------------------------------------------------------------


def _team(team: Entry, known: Known) -> Iterator[Problem]:
    return iter(())


def _process(process: Entry, known: Known) -> Iterator[Problem]:
    if process["slug"] == GLOBAL_SET:
        yield Problem("/slug", f"“{GLOBAL_SET}” is the name of the policy set that belongs to no process.")
    yield from _one_of("/owner_team", process["owner_team"], known.teams, "team")
    yield from _one_of("/oncall_team", process["oncall_team"], known.teams, "team")
    yield from _time_zone(process)
    for index, currency in enumerate(process.get("currencies", ())):
        if not is_currency(currency):
            yield Problem(f"/currencies/{index}", f"“{currency}” is not a currency code.")
    if process.get("run_time_budget") is not None:
        try:
            parse_duration(process["run_time_budget"])
        except ValueError as error:
            yield Problem("/run_time_budget", str(error))
    for problem in approvals_problems(process.get("approvals", {}), teams=known.teams, people=known.people):
        yield problem.under("/approvals")


def _person(person: Entry, known: Known) -> Iterator[Problem]:
    try:
        validate_email(person["email"])
    except ValidationError:
        yield Problem("/email", "This is not an e-mail address.")
    if known.emails.get(person["email"].casefold(), person["username"]) != person["username"]:
        yield Problem("/email", "Another person has this e-mail address already.")
    yield from _time_zone(person)
    for index, team in enumerate(person.get("teams", ())):
        yield from _one_of(f"/teams/{index}", team, known.teams, "team")
    for index, role in enumerate(person.get("roles", ())):
        if role.get("process") is not None:
            yield from _one_of(f"/roles/{index}/process", role["process"], known.processes, "process")


def _connector(connector: Entry, known: Known) -> Iterator[Problem]:
    for environment, endpoint in connector["environments"].items():
        at = f"/environments/{environment}"
        if not _is_base_url(endpoint["base_url"]):
            yield Problem(
                f"{at}/base_url", "This must be an http or https URL without credentials, query and fragment."
            )
        auth = endpoint.get("auth", {"type": "none"})
        needs = AUTH_NEEDS[auth["type"]]
        for name in sorted(needs - auth.keys()):
            yield Problem(f"{at}/auth/{name}", f"Authentication of type “{auth['type']}” needs this.")
        for name in sorted(auth.keys() - needs - {"type"}):
            yield Problem(f"{at}/auth/{name}", f"Authentication of type “{auth['type']}” has no use for this.")


def _tool(tool: Entry, known: Known) -> Iterator[Problem]:
    yield from problems_of(tool, connectors=known.connectors, tools=known.tools)


def _agent(agent: Entry, known: Known) -> Iterator[Problem]:
    if parse_uuid(agent["slug"]) is not None:
        yield Problem("/slug", "A slug must not look like an id: agents are found by either.")
    yield from _one_of("/process", agent["process"], known.processes, "process")
    yield from _one_of("/owner_team", agent["owner_team"], known.teams, "team")
    yield from _one_of("/built_by", agent["built_by"], known.teams, "team")
    process, environment = known.places.get(agent["slug"], (agent["process"], agent["environment"]))
    if process != agent["process"]:
        yield Problem("/process", f"This agent belongs to “{process}” already and stays there.")
    if environment != agent["environment"]:
        yield Problem("/environment", f"This agent runs in {environment} already and stays there.")


def _grant(grant: Entry, known: Known) -> Iterator[Problem]:
    yield from _one_of("/agent", grant["agent"], known.agents, "agent")
    yield from _one_of("/tool", grant["tool"], known.tools, "tool")
    expires_at = grant.get("expires_at")
    if expires_at is not None and read_moment(expires_at) is None:
        yield Problem("/expires_at", "This must be a time with its zone, as in 2030-12-31T23:59:59Z.")


def _policy(policy: Entry, known: Known) -> Iterator[Problem]:
    if policy["set"] != GLOBAL_SET:
        yield from _one_of("/set", policy["set"], known.processes, "process")


def _data_class(rule: Entry, known: Known) -> Iterator[Problem]:
    if rule["data_class"] == SECRET:
        yield Problem("/data_class", "What is secret is shown to nobody, ever.")
    if rule.get("process") is not None:
        yield from _one_of("/process", rule["process"], known.processes, "process")


def _retention(rule: Entry, known: Known) -> Iterator[Problem]:
    process = rule.get("process")
    if process is not None:
        yield from _one_of("/process", process, known.processes, "process")
    if rule.get("data_class") and rule["content"] in WITHOUT_CLASS:
        yield Problem("/data_class", "What agents report has no class of data.")
    if process is not None and rule["content"] == Content.SPANS:
        yield Problem("/process", "Whole spans are dropped by the day, for the whole mesh at once.")


def _budget(budget: Entry, known: Known) -> Iterator[Problem]:
    yield from budget_problems(budget, known.scopes)


def _rate(rate: Entry, known: Known) -> Iterator[Problem]:
    yield from rate_problems(rate, known.scopes, tools=known.tools)


def _model_price(price: Entry, known: Known) -> Iterator[Problem]:
    if not is_currency(price["currency"]):
        yield Problem("/currency", f"There is no currency “{price['currency']}”.")
    if read_moment(price["effective_from"]) is None:
        yield Problem("/effective_from", "This must be a time with its zone, as in 2030-12-31T23:59:59Z.")


def _one_of(pointer: str, name: str, names: Collection[str], noun: str) -> Iterator[Problem]:
    if name not in names:
        yield Problem(pointer, f"There is no {noun} “{name}”, neither in the file nor in the console.")


def _time_zone(entry: Entry) -> Iterator[Problem]:
    if entry.get("time_zone", "UTC") not in time_zones():
        yield Problem("/time_zone", f"There is no time zone “{entry['time_zone']}”.")


def _is_base_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        is_reachable = url.port is None or url.port > 0
    except ValueError:
        return False
    extras = url.username or url.password or url.query or url.fragment
    return url.scheme in ("http", "https") and bool(url.hostname) and is_reachable and not extras


CHECKS: dict[str, Callable[[Any, Known], Iterator[Problem]]] = {
    "teams": _team,
    "processes": _process,
    "people": _person,
    "connectors": _connector,
    "tools": _tool,
    "agents": _agent,
    "grants": _grant,
    "policies": _policy,
    "data_classes": _data_class,
    "retention": _retention,
    "budgets": _budget,
    "rates": _rate,
    "model_prices": _model_price,
}


# --- entries among each other -----------------------------------------------------------------------------------------


def _twice(section: str, entries: list[tuple[int, Any]]) -> Iterator[Problem]:
    """Of two entries with one name, which would win? Neither."""
    seen: set[tuple[str, Hashable]] = set()
    for index, entry in entries:
        for pointer, name in _identity(section, entry):
            if (pointer, name) in seen:
                yield Problem(f"/{section}/{index}{pointer}", "This is in the file twice.")
            seen.add((pointer, name))


def _identity(section: str, entry: Any) -> Iterator[tuple[str, Hashable]]:
    """(pointer, what must not come twice) of an entry."""
    match section:
        case "people":
            yield "/username", entry["username"]
            yield "/email", entry["email"].casefold()
        case "tools":
            yield "/name", entry.get("name")
        case "grants":
            yield "", (entry["agent"], entry["tool"])
        case "policies":
            for environment in entry["environments"]:
                yield "/environments", (entry["set"], environment)
        case "data_classes":
            yield "", (entry["data_class"], entry.get("process"))
        case "retention":
            yield "", (entry["content"], entry.get("data_class", ""), entry.get("process"))
        case "budgets":
            scope = entry["scope"]
            counted = (entry["measure"], entry.get("currency", ""), entry["window"])
            yield "", (scope["type"], scope.get("id", ""), entry["environment"], *counted)
        case "rates":
            yield "", (entry["scope"]["type"], entry["scope"].get("id"), entry["environment"])
        case "model_prices":
            yield "", (entry.get("provider", ""), entry["model"], entry["effective_from"])
        case _:
            yield "/slug", entry["slug"]


def _policy_problems(sections: Sections, known: Known) -> Iterator[Problem]:
    """What the policies' own checks find, with everything the file declares counted as there."""
    facts = [facts_of_definition(tool) for _, tool in sections["tools"]]
    for index, policy in sections["policies"]:
        try:
            validate_policies(
                policy_set=policy["set"],
                text=policy["text"],
                parameters=policy.get("parameters", {}),
                environments=policy["environments"],
                tools=facts,
                teams=known.teams,
                connectors=known.connectors,
                processes=known.processes,
                agents=known.agents,
            )
        except Invalid as error:
            yield from _placed(f"/policies/{index}", error)


def _placed(pointer: str, error: Invalid) -> Iterator[Problem]:
    for flaw in error.details.get("errors") or [{"line": 0, "sentence": error.sentence}]:
        if flaw["line"]:
            yield Problem(f"{pointer}/text", f"Line {flaw['line']}, column {flaw['column']}: {flaw['sentence']}")
        else:
            yield Problem(f"{pointer}/parameters", flaw["sentence"])
