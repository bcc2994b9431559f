"""Making a mesh as its file declares it: in one transaction, in the order of what refers to what.

A second run finds everything as it should be and changes nothing. The file adds and corrects; it takes nothing away.
What a person took away or changed since stays so: a revoked grant is not given again, credentials that were all
revoked are not made anew, a person's policy release is not replaced by one that came before it, their rules and limits
of approvals, of data classes, of retention, their budgets, rates and prices are not overwritten (each told in
`notes`), and a password is never reset.
"""

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from apps.accounts.models import Team, User
from apps.accounts.services import add_member, change_person, create_person, make_team
from apps.console.bootstrap.approvals import load_approvals
from apps.console.bootstrap.data_classes import load_data_classes
from apps.console.bootstrap.document import document_problems, read_moment
from apps.console.bootstrap.irreversible import warnings_on_irreversible_tools
from apps.console.bootstrap.prices import load_model_prices
from apps.console.bootstrap.retention import load_retention
from apps.console.bootstrap.spending import differs_in_budgets, load_budgets, load_rates
from apps.console.bootstrap.tool_changes import tell_tool_change
from apps.core import locks
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.policies.evaluation import content_hash
from apps.policies.models import ActiveRelease, PolicyRelease, ReleaseRequest, RequestState
from apps.policies.obligations import parse_duration
from apps.policies.services import publish_release
from apps.policies.tool_changes import before_change
from apps.registry import services as registry
from apps.registry.models import Agent, Grant, Process, Tool

# Two loads at once would both make what neither has seen. Beside the numbers of `apps.core.locks`.
LOCK = 7310

Entry = dict[str, Any]


@dataclass(slots=True)
class Made:
    """Secrets that were made in this run, told once; what was left as people had made it; what the file asks for that
    will not go as smoothly as it reads.
    """

    credentials: list[dict[str, str]] = field(default_factory=list)
    people: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def load(document: Any, *, actor: Actor, force: str = "", check: bool = False) -> Made:
    """Apply the whole document or nothing. Raises Invalid with each problem in `errors`: {"pointer", "sentence"}, and
    Conflict where its tools would break policies that decide now, unless `force` says why they have to. With `check`
    nothing of it stays.
    """
    with transaction.atomic():
        before = before_change()
        locks.take_exclusive(LOCK)
        if problems := document_problems(document):
            errors = [problem.as_dict() for problem in problems]
            raise Invalid("bootstrap.invalid", "The file cannot be loaded.", errors=errors)
        if differs_in_budgets(document, actor):
            # first of all locks, as decisions take it: taken later, one of them could wait for us and we for it
            locks.take_exclusive(locks.HALTS)
        made = Made()
        _load_teams(document, actor)
        _load_processes(document, actor)
        _load_people(document, actor, made)
        made.notes += load_approvals(document, actor)
        _load_connectors(document, actor)
        registry.register_tools(definitions=document.get("tools", []), actor=actor)
        _load_agents(document, actor, made)
        _load_grants(document, actor, made)
        _load_policies(document, actor, made)
        made.warnings += tell_tool_change(before, actor, force=force)
        made.notes += load_data_classes(document, actor)
        made.notes += load_retention(document, actor)
        made.notes += load_budgets(document, actor)
        made.notes += load_rates(document, actor)
        made.notes += load_model_prices(document, actor)
        made.warnings += warnings_on_irreversible_tools(document)
        transaction.set_rollback(check)
    return made


def _load_teams(document: Entry, actor: Actor) -> None:
    for team in document.get("teams", []):
        make_team(slug=team["slug"], name=team["name"], actor=actor)


def _load_processes(document: Entry, actor: Actor) -> None:
    teams = _teams()
    for process in document.get("processes", []):
        registry.register_process(
            slug=process["slug"],
            name=process["name"],
            business_unit=process.get("business_unit", ""),
            owner_team=teams[process["owner_team"]],
            oncall_team=teams[process["oncall_team"]],
            time_zone=process.get("time_zone", "UTC"),
            currencies=process.get("currencies", []),
            run_time_budget_seconds=parse_duration(budget) if (budget := process.get("run_time_budget")) else None,
            actor=actor,
        )


def _load_people(document: Entry, actor: Actor, made: Made) -> None:
    teams, processes = _teams(), _processes()
    for person in document.get("people", []):
        user = _load_person(person, actor, made)
        for team in person.get("teams", []):
            add_member(team=teams[team], user=user, actor=actor)
        for role in person.get("roles", []):
            process = None if role.get("process") is None else processes[role["process"]]
            registry.assign_role(user=user, role=role["role"], process=process, actor=actor)


def _load_person(person: Entry, actor: Actor, made: Made) -> User:
    details = {"email": person["email"], "name": person["name"]}
    user = User.objects.filter(username=person["username"]).first()
    if user is not None:
        time_zone = person.get("time_zone", user.time_zone)
        change_person(user=user, time_zone=time_zone, actor=actor, **details)
        return user
    user, password = create_person(
        username=person["username"],
        password=person.get("password"),
        time_zone=person.get("time_zone", "UTC"),
        actor=actor,
        **details,
    )
    if password is not None:
        made.people.append({"username": user.username, "password": password})
    return user


def _load_connectors(document: Entry, actor: Actor) -> None:
    for connector in document.get("connectors", []):
        registry.register_connector(
            slug=connector["slug"],
            name=connector["name"],
            kind=connector.get("kind", "http"),
            endpoints={name: _endpoint(endpoint) for name, endpoint in connector["environments"].items()},
            actor=actor,
        )


def _endpoint(endpoint: Entry) -> registry.Endpoint:
    auth = endpoint.get("auth", {"type": "none"})
    settings = {key: value for key, value in endpoint.items() if key not in ("base_url", "auth")}
    return registry.Endpoint(
        base_url=endpoint["base_url"],
        auth_type=auth["type"],
        auth_name=auth.get("name", ""),
        secret=auth.get("secret", ""),
        **settings,
    )


def _load_agents(document: Entry, actor: Actor, made: Made) -> None:
    teams, processes = _teams(), _processes()
    for entry in document.get("agents", []):
        agent = registry.register_agent(
            slug=entry["slug"],
            name=entry["name"],
            process=processes[entry["process"]],
            environment=entry["environment"],
            owner_team=teams[entry["owner_team"]],
            built_by=teams[entry["built_by"]],
            actor=actor,
        )
        if entry.get("credential"):
            _load_credential(agent, actor, made)


def _load_credential(agent: Agent, actor: Actor, made: Made) -> None:
    """One, for an agent that never had any: its secret can be told only now."""
    standing = [credential.revoked_at is None for credential in agent.credentials.all()]
    if any(standing):
        return
    if standing:
        made.notes.append(f"All credentials of {agent.slug} were revoked. No new one was made.")
        return
    credential, secret = registry.make_credential(agent=agent, actor=actor)
    made.credentials.append(
        {"agent": agent.slug, "client_id": credential.client_id, "client_secret": secret},
    )


def _load_grants(document: Entry, actor: Actor, made: Made) -> None:
    agents = {agent.slug: agent for agent in Agent.objects.select_related("process")}
    tools = {tool.name: tool for tool in Tool.objects.all()}
    grants = Grant.objects.order_by("given_at").select_related("agent", "tool")
    latest = {(grant.agent.slug, grant.tool.name): grant for grant in grants}
    for grant in document.get("grants", []):
        before = latest.get((grant["agent"], grant["tool"]))
        if before is not None and before.revoked_at is not None:
            made.notes.append(f"{grant['agent']}'s grant of {grant['tool']} was revoked. It was not given again.")
            continue
        expires_at = grant.get("expires_at")
        registry.give_grant(
            agent=agents[grant["agent"]],
            tool=tools[grant["tool"]],
            reason=grant["reason"],
            expires_at=None if expires_at is None else read_moment(expires_at),
            actor=actor,
        )


def _load_policies(document: Entry, actor: Actor, made: Made) -> None:
    processes = _processes()
    for policy in document.get("policies", []):
        environments = [name for name in policy["environments"] if _may_release(policy, name, actor, made)]
        if environments:
            publish_release(
                policy_set=policy["set"],
                process=processes.get(policy["set"]),
                text=policy["text"],
                parameters=policy.get("parameters", {}),
                environments=environments,
                message=policy.get("message", ""),
                actor=actor,
            )


def _may_release(policy: Entry, environment: str, actor: Actor, made: Made) -> bool:
    """False where people have released through a review since, which then is the only way; and where this very content
    was in force once and someone has put another in its place.
    """
    active = ActiveRelease.objects.filter(policy_set__slug=policy["set"], environment=environment).first()
    if active is None or active.activated_by == actor.key:
        return True
    content = content_hash(policy["text"], policy.get("parameters", {}))
    reviewed = ReleaseRequest.objects.filter(policy_set__slug=policy["set"], environment=environment)
    if reviewed.filter(state=RequestState.DONE).exists() and active.release.content_hash != content:
        made.notes.append(
            f"The policies of “{policy['set']}” in {environment} are released by review. They stay as they are."
        )
        return False
    if not PolicyRelease.objects.filter(policy_set__slug=policy["set"], content_hash=content).exists():
        return True
    if active.release.content_hash != content:
        made.notes.append(
            f"The policies of “{policy['set']}” in {environment} were changed since. They stay as they are."
        )
    return False


def _teams() -> dict[str, Team]:
    return {team.slug: team for team in Team.objects.all()}


def _processes() -> dict[str, Process]:
    return {process.slug: process for process in Process.objects.all()}
