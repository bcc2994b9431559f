"""Questions of a kind of their own, so that a test of the engine needs no tool call."""

from typing import Any

from django.db import transaction

from apps.accounts.models import Membership, Team, User
from apps.approvals import services
from apps.approvals.models import Approval, Vote
from apps.approvals.requests import ConsentRequest, EscalationRequest, StageRequest
from apps.approvals.subjects import SubjectKind, register
from apps.core import clock
from apps.core.actor import system_actor
from apps.core.ids import uuid7
from apps.core.money import Money
from apps.registry.models import Process
from apps.registry.services import roles
from tests.conftest import actor, person

ASKER = system_actor("test")
KIND = "question"
register(SubjectKind(KIND, can_change=True))


def question(
    stages: str = "finance-approvers:1",
    *,
    amount: str | None = "1280.00",
    currency: str = "EUR",
    risk: str = "low",
    reversible: bool = True,
    barred: tuple[str, ...] = (),
    expires_seconds: int = 8 * 3600,
    escalations: tuple[EscalationRequest, ...] = (),
    process: str = "order-to-cash",
    **more: Any,
) -> ConsentRequest:
    """What is asked; `stages` as policies write them."""
    subject_id = more.pop("subject_id", None) or uuid7()
    return ConsentRequest(
        subject_type=KIND,
        subject_id=subject_id,
        digest=more.pop("digest", None) or subject_id.hex * 2,
        card={"sentence": f"Answer {amount or 'this'}", "facts": [], "why": [], "evidence": []},
        process=Process.objects.get(slug=process),
        environment="production",
        agent=None,
        run_id=None,
        stages=tuple(StageRequest(part.split(":")[0].strip(), int(part.split(":")[1])) for part in stages.split(",")),
        expires_seconds=expires_seconds,
        risk=risk,
        money=Money.parse(amount, currency) if amount else None,
        policy_ref="question@1",
        is_reversible=reversible,
        escalations=escalations,
        barred_people=tuple(person(name).id for name in barred),
        **more,
    )


def ask(stages: str = "finance-approvers:1", **more: Any) -> Approval:
    """A question that waits."""
    with transaction.atomic():
        return services.request_consent(question(stages, **more), actor=ASKER)


def vote(username: str, approval: Approval, verdict: str = "approve", **more: Any) -> Vote:
    """The vote of one of the cast on what is there now."""
    if verdict != "approve":
        more.setdefault("reason_code", "other")
    digest = more.pop("digest", approval.digest)
    return services.cast_vote(actor=actor(username), approval_id=approval.id, verdict=verdict, digest=digest, **more)


def state_of(approval: Approval) -> str:
    approval.refresh_from_db()
    return approval.state


def join(username: str, team: str) -> None:
    """Make the person a member of one more team."""
    Membership.objects.create(team=Team.objects.get(slug=team), user=person(username), since=clock.now())


def newcomer(username: str, *, teams: tuple[str, ...] = (), role: str | None = "approver") -> User:
    """One more person, in these teams, with a role in order-to-cash."""
    user = User.objects.create_user(username=username, name=username.title(), email=f"{username}@example.com")
    for team in teams:
        join(username, team)
    if role:
        process = Process.objects.get(slug="order-to-cash")
        roles.assign_role(user=user, role=role, process=process, actor=ASKER)
    return user
