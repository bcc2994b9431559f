"""Checking policies, and the releases that need nobody: those of an installation that is being set up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max

from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.policies.evaluation import content_hash
from apps.policies.events import PolicyReleased
from apps.policies.exceptions import SET as EXCEPTIONS
from apps.policies.irreversible import NEVER_ALONE
from apps.policies.models import GLOBAL_SET, ActiveRelease, InFlight, PointerMove, PolicyRelease, PolicySet
from apps.policies.queries import known_to_registry
from apps.policies.reach import reach_hash
from apps.policies.validation import Known, Problem, problems_of
from apps.policies.verdicts import ToolFacts
from apps.registry.models import Environment, Process

# What decisions name beside sets of policies.
RESERVED = (EXCEPTIONS, NEVER_ALONE.set)


def validate_policies(
    *,
    policy_set: str,
    text: str,
    parameters: dict[str, Any],
    environments: Sequence[str] = (),
    tools: Iterable[ToolFacts] = (),
    teams: Iterable[str] = (),
    connectors: Iterable[str] = (),
    processes: Iterable[str] = (),
    agents: Iterable[str] = (),
) -> None:
    """Raise Invalid("policy.invalid", errors=[{"line", "column", "policy", "sentence"}]) unless this may be released.
    Writes nothing.

    What is passed counts as known besides what the registry has, and a tool replaces the registry's of the same name: a
    file that declares tools, teams, connectors, processes and agents next to its policies is checked before any of it
    exists.
    """
    registry = known_to_registry()
    declared = {tool.name: tool for tool in tools}
    known = Known(
        tools=(*(tool for tool in registry.tools if tool.name not in declared), *declared.values()),
        teams=registry.teams.union(teams),
        connectors=registry.connectors.union(connectors, (tool.connector for tool in declared.values())),
        processes=registry.processes.union(processes),
        agents=registry.agents.union(agents),
        detectors=registry.detectors,
    )
    _check(policy_set, text, parameters, environments, known)


def publish_release(
    *,
    policy_set: str,
    process: Process | None,
    text: str,
    parameters: dict[str, Any],
    environments: list[str],
    actor: Actor,
    message: str = "",
) -> PolicyRelease:
    """Let this text and these parameters decide in these environments from now on, and return their release. Nobody is
    asked: this is for setting an installation up. What changes later is asked for (`request_release`).

    What is active already stays as it is: the same content is never released twice, and moves to a further environment
    under the version it has. Nothing is written unless all of it is valid. Two publishers of one set wait for each
    other.
    """
    known = known_to_registry()
    _check(policy_set, text, parameters, environments, known)
    with transaction.atomic():
        owner = own_set(policy_set, process)
        hash_of_content = content_hash(text, parameters)
        active = {row.environment: row for row in owner.active_releases.select_related("release")}
        release = next((row.release for row in active.values() if row.release.content_hash == hash_of_content), None)
        if release is None:
            release = make_release(
                owner,
                text=text,
                parameters=parameters,
                hash_of_schema=reach_hash(text, parameters, process.slug if process else "", known.tools),
                message=message,
                released_by=actor.key,
            )
        moved = [
            environment
            for environment in dict.fromkeys(environments)
            if environment not in active or active[environment].release.content_hash != hash_of_content
        ]
        for environment in moved:
            activate(release, environment, actor, before=active.get(environment), message=message)
        if moved:
            outbox.add(PolicyReleased(owner.slug, release.version, str(release.id), moved, actor.key))
    return release


def own_set(slug: str, process: Process | None) -> PolicySet:
    """The set, made when it is new, locked either way."""
    if slug in RESERVED:
        raise Invalid("policy.reserved_name", f"Decisions name something else as “{slug}”: call the process otherwise.")
    if (slug == GLOBAL_SET) != (process is None):
        raise Invalid(
            "policy.wrong_process", f"The set “{GLOBAL_SET}” belongs to no process, and every other set to one."
        )
    if process is not None and PolicySet.objects.filter(process=process).exclude(slug=slug).exists():
        raise Invalid("policy.wrong_process", f"{process} has a set of policies already, under another name.")
    owner, _ = PolicySet.objects.select_for_update(of=("self",)).get_or_create(slug=slug, defaults={"process": process})
    if owner.process_id != (process.id if process else None):
        raise Invalid("policy.wrong_process", f"The set “{slug}” belongs to another process.")
    return owner


def make_release(
    policy_set: PolicySet,
    *,
    text: str,
    parameters: dict[str, Any],
    hash_of_schema: str,
    message: str,
    released_by: str,
    cases: list[Any] | None = None,
    source: PolicyRelease | None = None,
) -> PolicyRelease:
    """The next version. The caller holds the lock of the set's row."""
    return PolicyRelease.objects.create(
        policy_set=policy_set,
        version=(policy_set.releases.aggregate(newest=Max("version"))["newest"] or 0) + 1,
        text=text,
        parameters=parameters,
        cases=cases or [],
        schema_hash=hash_of_schema,
        content_hash=content_hash(text, parameters),
        source=source,
        message=message,
        released_by=released_by,
        released_at=clock.now(),
    )


def activate(
    release: PolicyRelease,
    environment: str,
    actor: Actor,
    *,
    before: ActiveRelease | None,
    message: str,
    in_flight: str = InFlight.RECHECK,
    on_behalf: Actor | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Move the pointer, and write down that it moved. `on_behalf` is who asked for it, where the product carries it
    out.
    """
    mover = on_behalf or actor
    now = clock.now()
    ActiveRelease.objects.update_or_create(
        policy_set=release.policy_set,
        environment=environment,
        defaults={"release": release, "since": now, "activated_by": mover.key, "in_flight": in_flight},
    )
    PointerMove.objects.create(
        policy_set=release.policy_set,
        environment=environment,
        release=release,
        before=before.release if before else None,
        moved_at=now,
        moved_by=mover.key,
        moved_by_name=mover.name,
        message=message,
    )
    process = release.policy_set.process
    audit.record(
        actor,
        "policy.released",
        subject_type="policy_release",
        subject_id=release.id,
        subject_name=f"{release.policy_set.slug}@{release.version}",
        process=process.slug if process else "",
        environment=environment,
        reason=message,
        data={
            "set": release.policy_set.slug,
            "version": release.version,
            "content_hash": release.content_hash,
            "version_before": before.release.version if before else None,
            **(data or {}),
        },
    )


def _check(policy_set: str, text: str, parameters: dict[str, Any], environments: Sequence[str], known: Known) -> None:
    unknown = [environment for environment in environments if environment not in Environment.values]
    if unknown:
        raise Invalid("policy.unknown_environment", f"There is no environment “{unknown[0]}”.")
    problems = problems_of(text=text, parameters=parameters, known=known)
    if problems:
        raise invalid_policies(policy_set, problems)


def invalid_policies(policy_set: str, problems: Sequence[Problem]) -> Invalid:
    """The refusal of a text with mistakes."""
    first = problems[0]
    where = f"line {first.line}: " if first.line else ""
    more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
    return Invalid(
        "policy.invalid",
        f"The policies of “{policy_set}” cannot be released: {where}{first.sentence}{more}",
        errors=[problem.as_json() for problem in problems],
    )
