"""The HTML face of policies: sets, versions, differences, reviews."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.console.policy_forms import DecisionsForm, SendForm
from apps.console.views.policy_emergency import emergency_context
from apps.console.views.policy_impact import review_panel, version_panel
from apps.core.actor import Actor
from apps.gateway.decided import MOST_COUNTED, Asked, count_of, decided
from apps.policies import services
from apps.policies.afterwards import may_release_alone
from apps.policies.consent import change_of, title_of, what_to_do, who_can_agree
from apps.policies.differences import Content, Difference, difference
from apps.policies.history import (
    DRAFT,
    approvers_of,
    history_of,
    names_of,
    open_work,
    parameters_shown,
    set_rows,
    setting_of,
    side_of,
    spoken,
)
from apps.policies.merging import DraftContent
from apps.policies.models import PolicyRelease, PolicySet, ReleaseRequest, RequestState
from apps.policies.queries import (
    content_of,
    live_releases,
    may_write,
    release_for,
    request_for,
    requested_content,
    set_for,
)
from apps.policies.reading import canonical_text
from apps.policies.sentences import Setting
from apps.policies.services.requests import ORDER, may_withdraw
from apps.policies.unreadable import unreadable_releases


@require_safe
def policies(request: HttpRequest) -> HttpResponse:
    """Every set one may see, and what of it decides where."""
    person_of(request)
    return render(request, "policies/list.html", {"rows": set_rows(actor_of(request)), "environments": ORDER})


@require_safe
def policy_set(request: HttpRequest, slug: str) -> HttpResponse:
    """The history of one set: versions, moves of its pointers, what is under way."""
    person_of(request)
    actor = actor_of(request)
    found = set_for(actor, slug)
    drafts, reviews = open_work(found)
    context = {
        "policy_set": found,
        "history": history_of(found, cursor=request.GET.get("after")),
        "drafts": drafts,
        "reviews": [(review, title_of(review)) for review in reviews],
        "may_write": may_write(actor, found.process),
        "broken": _broken(actor, found),
    }
    return render(request, "policies/set.html", context)


def _broken(actor: Actor, found: PolicySet) -> list[dict[str, Any]]:
    """Where what decides cannot be read, and what there is to go back to."""
    unreadable = [each for each in unreadable_releases() if each.policy_set == found.slug]
    may_recover = bool(unreadable) and services.may_recover(actor, found)
    return [
        {"each": each, "source": services.last_readable(found, each.environment), "may_recover": may_recover}
        for each in unreadable
    ]


@require_POST
def recover(request: HttpRequest, slug: str) -> HttpResponse:
    """Go back to what can be read, at once."""
    person_of(request)
    environment = request.POST.get("environment", "")
    release = services.recover_release(
        actor=actor_of(request), policy_set=slug, environment=environment, reason=request.POST.get("reason", "")
    )
    messages.success(request, f"Version {release.version} decides in {environment}.")
    return redirect("policy-set", slug)


@require_safe
def policy_version(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """One release: what it says, and the ways on and back."""
    person_of(request)
    actor = actor_of(request)
    return render(request, "policies/version.html", _version_context(actor, set_for(actor, slug), version))


@require_safe
def policy_decisions(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """What one release decided, and one rule of it; `rule`, `outcome`, `since` and `until` narrow it."""
    person_of(request)
    actor = actor_of(request)
    release = release_for(set_for(actor, slug), version)
    said = spoken(content_of(release), setting_of(release.policy_set))
    form = DecisionsForm(request.GET, rules=[rule for rule, _, _ in said])
    status = 200 if form.is_valid() else 422
    asked = form.asked(release)
    context = {
        "release": release,
        "form": form,
        "page": decided(actor, asked, cursor=request.GET.get("after")),
        "count": count_of(actor, asked),
        "most_counted": MOST_COUNTED,
    }
    return render(request, "policies/decisions.html", context, status=status)


@require_safe
def policy_diff(request: HttpRequest, slug: str) -> HttpResponse:
    """Any two versions, `?from=1&to=2`, in three levels; `draft:ID` is a draft. Without them: the last change."""
    person_of(request)
    actor = actor_of(request)
    found = set_for(actor, slug)
    versions = list(found.releases.order_by("-version").values_list("version", flat=True)[:200])
    newest = versions[0] if versions else 0
    before_name = request.GET.get("from") or str(max(newest - 1, 0))
    after_name = request.GET.get("to") or str(newest)
    before, after = side_of(actor, found, before_name), side_of(actor, found, after_name)
    context = {
        "policy_set": found,
        "versions": versions,
        "before_name": before_name,
        "after_name": after_name,
        "change": _change(before, after, setting_of(found)),
        "is_draft": after_name.startswith(DRAFT),
    }
    return render(request, "policies/diff.html", context)


@require_safe
def policy_review(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """What was asked for, whole: the difference, the tests, who decides."""
    person_of(request)
    actor = actor_of(request)
    return render(request, "policies/review.html", review_context(actor, request_for(actor, request_id)))


def review_context(actor: Actor, found: ReleaseRequest) -> dict[str, Any]:
    """Everything on the page of one review."""
    approval = found.approval
    return {
        "review": found,
        "title": title_of(found),
        "change": change_of(found, setting_of(found.policy_set)),
        "approval": approval,
        "approvers": approvers_of([found]).get(found.approval_id, []) if found.approval_id else [],
        "case_count": len(requested_content(found).cases),
        "may_withdraw": may_withdraw(actor, found),
        **emergency_context(actor, found),
        **review_panel(actor, found),
    }


@require_POST
def withdraw_review(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Take a review back."""
    person_of(request)
    found = services.withdraw_request(actor=actor_of(request), request_id=request_id)
    messages.success(request, "It is taken back.")
    if found.draft_version is not None:
        return redirect("policy-draft", found.draft_version.draft_id)
    return redirect("policy-set", found.policy_set.slug)


@require_POST
def promote(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Ask that a version decides in a further environment."""
    return _ask_again(request, slug, version, services.request_promotion)


@require_POST
def roll_back(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Ask that a version is released again."""
    return _ask_again(request, slug, version, services.request_rollback)


def _ask_again(request: HttpRequest, slug: str, version: int, act: Any) -> HttpResponse:
    person_of(request)
    form = SendForm(request.POST)
    if not form.is_valid():
        context = _version_context(actor_of(request), set_for(actor_of(request), slug), version)
        return render(request, "policies/version.html", context | {"form": form}, status=422)
    asked = act(actor=actor_of(request), policy_set=slug, version=version, **form.cleaned_data)
    return _sent(request, asked)


def _sent(request: HttpRequest, asked: ReleaseRequest) -> HttpResponse:
    messages.success(request, "Sent for review. A second person decides.")
    return redirect("policy-review", asked.id)


def _change(before: DraftContent, after: DraftContent, setting: Setting) -> Difference:
    return difference(Content(before.text, before.parameters), Content(after.text, after.parameters), setting)


def _version_context(actor: Actor, found: PolicySet, version: int) -> dict[str, Any]:
    release = release_for(found, version)
    live = live_releases(found)
    content = content_of(release)
    writes = may_write(actor, found.process)
    requests = ReleaseRequest.objects.filter(release=release, state=RequestState.DONE)
    done = list(requests.select_related("requester", "emergency"))
    approvers = approvers_of(done)
    return {
        "policy_set": found,
        "release": release,
        "author": names_of([release.released_by])[release.released_by],
        "reviews": [(each, approvers.get(each.approval_id, []) if each.approval_id else []) for each in done],
        "live": [environment for environment in ORDER if live.get(environment) == release],
        "sentences": spoken(content, setting_of(found)),
        "parameters": parameters_shown(content),
        "text": canonical_text(release.text),
        "decision_count": count_of(actor, Asked(release)),
        "most_counted": MOST_COUNTED,
        "promotes_to": _further(release, live) if writes else [],
        "rolls_back_in": _behind(release, live) if writes else [],
        "may_release_alone": may_release_alone(actor, found.process),
        "form": SendForm(),
        **(asked_of(found, {actor.known_id}) if writes else {}),
        "may_write": writes,
        **version_panel(release),
        "diff_url": f"{reverse('policy-diff', args=[found.slug])}?from={max(version - 1, 0)}&to={version}",
    }


def asked_of(policy_set: PolicySet, makers: set[UUID]) -> dict[str, Any]:
    """Which teams can be asked, and where there is none, what can be done."""
    teams = who_can_agree(policy_set, makers)
    return {"teams": teams, "ways_out": [] if teams else what_to_do(policy_set, makers)}


def _further(release: PolicyRelease, live: dict[str, PolicyRelease]) -> list[str]:
    """Where it does not decide yet and may come to from where it does."""
    first = next((position for position, each in enumerate(ORDER) if live.get(each) == release), len(ORDER))
    return [each.value for each in ORDER[first + 1 :] if live.get(each) != release]


def _behind(release: PolicyRelease, live: dict[str, PolicyRelease]) -> list[str]:
    """Where something newer decides."""
    return [each.value for each in ORDER if each in live and live[each].version > release.version]
