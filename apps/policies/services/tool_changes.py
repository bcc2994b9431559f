"""Tools that change under policies: what decides now is not broken in passing."""

from apps.audit import services as audit
from apps.core import outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict
from apps.policies.events import PolicyReleaseBroken
from apps.policies.models import PolicyRelease
from apps.policies.queries import known_to_registry
from apps.policies.tool_changes import Before, Effect, effects_of, standings

MOST_NAMED = 50


def accept_tool_change(*, before: Before, actor: Actor, force: str = "") -> list[Effect]:
    """What the tools as they are now do to policies that were checked against `before`. Called in the transaction that
    changed them: raises Conflict("tool.breaks_policies") where a release that decides now would deny, or forbid no more
    what it forbids, so that nothing of it stays, unless `force` says why it has to be; that is logged for each release.
    """
    after = known_to_registry()
    if before.known.tools == after.tools:
        return []
    effects = effects_of(before.known, after, filter(before.has, standings()))
    broken = [effect for effect in effects if effect.breaks]
    if not broken:
        return effects
    if not force.strip():
        raise breaks(broken)
    for effect in broken:
        _record(effect, actor, force.strip())
    return effects


def breaks(broken: list[Effect]) -> Conflict:
    """The refusal of a change that breaks what decides."""
    errors = [
        {"pointer": "/tools", "set": effect.of.policy_set, "sentence": sentence}
        for effect in broken
        for sentence in effect.sentences()
    ]
    return Conflict(
        "tool.breaks_policies",
        "With these tools, releases that decide calls now would deny, or forbid no more what they forbid. Change the "
        "policies first, or say why it has to be.",
        errors=errors[:MOST_NAMED],
    )


def _record(effect: Effect, actor: Actor, reason: str) -> None:
    release = effect.of.row
    if not isinstance(release, PolicyRelease):
        return
    for environment in effect.of.environments:
        audit.record(
            actor,
            "policy.broken_by_tools",
            subject_type="policy_release",
            subject_id=release.id,
            subject_name=str(release),
            process=effect.of.process,
            environment=environment,
            reason=reason,
            data={
                "set": effect.of.policy_set,
                "version": release.version,
                "problems": [problem.as_json() for problem in effect.problems],
                "loosened": list(effect.loosened),
            },
        )
    where = list(effect.of.environments)
    outbox.add(PolicyReleaseBroken(effect.of.policy_set, release.version, str(release.id), where, actor.key))
