"""A release as a request for human consent: who is asked, who may not answer, what votes bind to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.accounts.models import Membership, Team
from apps.approvals.models import Approval, Risk
from apps.approvals.requests import ConsentRequest, StageRequest
from apps.approvals.second_person import AgreeingTeam, teams_that_can_agree
from apps.core.actor import Actor
from apps.core.canonical import digest
from apps.core.clock import rfc3339
from apps.core.errors import Conflict
from apps.policies.differences import Content, Difference, difference
from apps.policies.models import PolicyDraft, PolicySet, ReleaseRequest, RequestKind
from apps.policies.nobody import ways_out
from apps.policies.queries import content_of, live_releases, requested_content
from apps.policies.sentences import Setting
from apps.policies.wording import listed
from apps.registry.models import Environment, Process

SUBJECT_TYPE = "policy_release"
# Long enough for a weekend, short enough that what was reviewed is still what was meant.
COUNTS_FOR_SECONDS = 3 * 86400
# A card is read in one go; the review page has everything.
MOST_SENTENCES = 12
MOST_LETTERS = 400


@dataclass(frozen=True, slots=True)
class SecondPerson:
    """Who is asked, in which process, and who is not a second pair of eyes."""

    process: Process
    team: Team
    barred: frozenset[UUID]


def second_person_for(policy_set: PolicySet, makers: Iterable[UUID], team: str = "") -> SecondPerson:
    """The team of this slug, or without one the team of which most may vote now. Raises Conflict when nobody is left,
    with what can be done about it in `ways_out`, and when that team cannot agree.
    """
    barred = barred_by(makers)
    able = teams_that_can_agree(_processes_of(policy_set), barred)
    if not able:
        raise Conflict(
            "policy.nobody_to_ask",
            "Nobody could agree to this: it takes an approver who neither wrote it nor shares a team with who did.",
            ways_out=ways_out(_processes_of(policy_set), makers),
        )
    found = next((each for each in able if team in ("", each.team.slug)), None)
    if found is None:
        names = listed((each.team.slug for each in able), "or")
        raise Conflict("policy.team_cannot_agree", f"“{team[:50]}” cannot agree to this. Ask {names}.")
    return SecondPerson(found.process, found.team, barred)


def who_can_agree(policy_set: PolicySet, makers: Iterable[UUID]) -> list[AgreeingTeam]:
    """The teams that can be asked, the one that is asked unless another is chosen first."""
    return teams_that_can_agree(_processes_of(policy_set), barred_by(makers))


def what_to_do(policy_set: PolicySet, makers: Iterable[UUID]) -> list[str]:
    """What can be done where no team can be asked, in sentences."""
    return ways_out(_processes_of(policy_set), makers)


def barred_by(makers: Iterable[UUID]) -> frozenset[UUID]:
    """Whoever wrote it and everyone in a team with them: the team that built it does not agree to it (I5)."""
    written_by = frozenset(makers)
    teams = Membership.objects.filter(user__in=written_by).values("team")
    return written_by | frozenset(Membership.objects.filter(team__in=teams).values_list("user", flat=True))


def _processes_of(policy_set: PolicySet) -> list[Process]:
    """Its own; the global set is answered for in any process that has somebody who can."""
    processes = Process.objects.select_related("owner_team", "oncall_team").order_by("slug")
    return list(processes.filter(id=policy_set.process_id) if policy_set.process_id else processes)


def makers_of(request: ReleaseRequest) -> set[UUID]:
    """Who asks, and for a draft its author and everyone who edited it."""
    return {request.requester_id, *(makers_of_draft(request.draft_version.draft) if request.draft_version else ())}


def makers_of_draft(draft: PolicyDraft) -> set[UUID]:
    """Its author and everyone who edited it."""
    return {draft.author_id, *draft.versions.values_list("edited_by", flat=True)}


def binding_digest(request: ReleaseRequest) -> str:
    """What a vote names (I4): the text, the parameters and the test cases, the schema they were checked against, where
    they are to decide and in place of what, and what becomes of calls that wait.
    """
    content = requested_content(request)
    return digest(
        {
            "request": str(request.id),
            "set": request.policy_set.slug,
            "kind": request.kind,
            "environment": request.environment,
            "text": content.text,
            "parameters": dict(content.parameters),
            "cases": list(content.cases),
            "schema_hash": request.schema_hash,
            "source": request.source.version if request.source else None,
            "replaces": request.replaces.version if request.replaces else None,
            "in_flight": request.in_flight,
        }
        | ({"release_at": rfc3339(request.release_at)} if request.release_at else {})
    )


def change_of(request: ReleaseRequest, setting: Setting) -> Difference:
    """From what decides there to what is asked for."""
    before, after = content_of(request.replaces), requested_content(request)
    return difference(Content(before.text, before.parameters), Content(after.text, after.parameters), setting)


def consent_request(request: ReleaseRequest, second: SecondPerson, setting: Setting) -> ConsentRequest:
    """Everything the approvals engine needs."""
    is_live = request.environment == Environment.PRODUCTION
    return ConsentRequest(
        subject_type=SUBJECT_TYPE,
        subject_id=request.id,
        digest=binding_digest(request),
        card=_card(request, change_of(request, setting)),
        process=second.process,
        environment=request.environment,
        agent=None,
        run_id=None,
        stages=(StageRequest(second.team.slug),),
        expires_seconds=COUNTS_FOR_SECONDS,
        risk=Risk.HIGH if is_live else Risk.MEDIUM,
        money=None,
        policy_ref="policy-release@1",
        is_reversible=True,
        barred_people=tuple(sorted(second.barred)),
    )


def title_of(request: ReleaseRequest) -> str:
    """What would happen, verb first."""
    name, environment = request.policy_set.slug, request.environment
    if request.kind == RequestKind.ROLLBACK and request.source:
        return f"Roll the policies “{name}” back to version {request.source.version} in {environment}"
    if request.kind == RequestKind.PROMOTION and request.source:
        return f"Promote version {request.source.version} of the policies “{name}” to {environment}"
    return f"Release new policies “{name}” to {environment}"


def page_of_approval(actor: Actor, approval: Approval) -> dict[str, Any]:
    """What the card shows of the moment: the way to the whole review."""
    return {"page_url": f"/policies/reviews/{approval.subject_id}/"}


def _card(request: ReleaseRequest, change: Difference) -> dict[str, Any]:
    return {
        "sentence": title_of(request),
        "tool": "policy.release",
        "tool_title": request.get_kind_display(),
        "tool_version": 1,
        "system": "Mesh Console",
        "agent": "",
        "agent_name": str(request.requester),
        "facts": [
            ["Asked by", str(request.requester)],
            *([["Written by", _writers(request)]] if request.draft_version else []),
            *([["Why", request.message]] if request.message else []),
            *([["Decides from", f"{request.release_at:%Y-%m-%d %H:%M} UTC"]] if request.release_at else []),
            ["Changes", change.summary],
            *_sentences(change),
            ["In place of", f"version {request.replaces.version}" if request.replaces else "nothing: it is the first"],
            *_tried(request),
            ["Calls that wait for people", request.get_in_flight_display()],
            ["Test cases", f"{count}, all as expected" if (count := len(requested_content(request).cases)) else "none"],
        ],
        "why": [{"says": "Policies are changed by two people", "ref": "policy-release@1", "set": "built in"}],
        "evidence": [],
        "statement": "",
        "confidence": None,
        "reversible": True,
        "compensation": None,
        "on_behalf_of": "",
    }


def _sentences(change: Difference) -> list[list[str]]:
    """Each changed rule in words, before and after."""
    said = [[f"Parameter {field.name}", f"{field.before or '—'} → {field.after or '—'}"] for field in change.parameters]
    labels = {"added": "New rule", "removed": "Rule removed", "changed": "Rule changed"}
    for rule in change.changed_rules:
        both = [part for part in (rule.before, rule.after) if part]
        same = len(set(both)) == 1 and rule.change == "changed"
        words = f"{both[0]} (what it says or asks for differs)" if same else " → ".join(both)
        said.append([f"{labels[rule.change]} {rule.id}", words[:MOST_LETTERS]])
    more = len(said) - MOST_SENTENCES
    return said[:MOST_SENTENCES] + ([["And", f"{more} more; see the review"]] if more > 0 else [])


def _writers(request: ReleaseRequest) -> str:
    if request.draft_version is None:
        return ""
    draft = request.draft_version.draft
    names = [str(draft.author), *(str(each.edited_by) for each in draft.versions.select_related("edited_by"))]
    return listed(dict.fromkeys(names))


def _tried(request: ReleaseRequest) -> list[list[str]]:
    """Where the same content decides already; said of production, which comes last."""
    if request.environment != Environment.PRODUCTION:
        return []
    content = requested_content(request)
    where = [
        environment
        for environment, release in live_releases(request.policy_set).items()
        if environment != request.environment and content_of(release) == content
    ]
    return [["Decides already in", listed(sorted(where)) if where else "no other environment"]]
