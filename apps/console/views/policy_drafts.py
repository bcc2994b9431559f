"""The HTML face of drafts: thresholds in a form for the owner, the text for the engineer, one draft for both."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.models import Team
from apps.accounts.requests import actor_of, person_of
from apps.console.policy_forms import ParameterForm, SendForm
from apps.console.views.policies import asked_of
from apps.console.views.policy_impact import draft_panel
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid
from apps.policies import services
from apps.policies.afterwards import may_release_alone
from apps.policies.cases import boundary_cases, case_problems
from apps.policies.characters import tidy
from apps.policies.checking import check
from apps.policies.consent import makers_of_draft
from apps.policies.differences import Content, difference
from apps.policies.history import spoken
from apps.policies.merging import DraftContent
from apps.policies.models import PolicyDraft
from apps.policies.queries import content_of, draft_for, ground_of, may_write, present_release, version_of
from apps.registry.models import Environment
from apps.registry.permissions import MANAGE
from apps.registry.queries import holds, holds_mesh_wide


@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Begin a draft."""
    person_of(request)
    version = request.POST.get("version", "")
    draft = services.start_draft(
        actor=actor_of(request),
        policy_set=slug,
        version=int(version) if version.isascii() and version.isdigit() and len(version) < 9 else None,
        message=request.POST.get("message", ""),
    )
    return redirect("policy-draft", draft.id)


@require_http_methods(["GET", "POST"])
def draft(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """GET: the draft with what is wrong with it and what it would change. POST: save it."""
    person_of(request)
    actor = actor_of(request)
    found = draft_for(actor, draft_id)
    if request.method == "POST":
        return _save(request, actor, found)
    return render(request, "policies/draft.html", _context(actor, found, content_of(version_of(found))))


@require_POST
def check_draft(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """What is wrong with what is in the form, while it is written. Saves nothing."""
    person_of(request)
    actor = actor_of(request)
    found = draft_for(actor, draft_id)
    content, form, problems = _typed(request, found)
    context = _checked(found, content) | {"form_problems": problems or _form_problems(form)}
    return render(request, "policies/_checks.html", context)


@require_POST
def add_cases(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Add a test case at, below and above each threshold."""
    person_of(request)
    actor = actor_of(request)
    found = draft_for(actor, draft_id)
    content = content_of(version_of(found))
    names = {case["name"] for case in content.cases}
    made = boundary_cases(content.text, content.parameters, ground_of(found.policy_set).bench)
    new = [case for case in made if case["name"] not in names]
    services.save_draft(actor=actor, draft_id=found.id, version=_version(request), cases=[*content.cases, *new])
    messages.success(request, f"{len(new)} test case{'' if len(new) == 1 else 's'} added. They hold what is true now.")
    return redirect("policy-draft", found.id)


@require_safe
def download_cases(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """The test cases as a file."""
    person_of(request)
    found = draft_for(actor_of(request), draft_id)
    stored = list(content_of(version_of(found)).cases)
    name = f"{found.policy_set.slug}-tests.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return JsonResponse(stored, safe=False, headers=headers, json_dumps_params={"indent": 2, "ensure_ascii": False})


@require_POST
def discard(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Lay a draft aside."""
    person_of(request)
    found = services.discard_draft(actor=actor_of(request), draft_id=draft_id, version=_version(request))
    messages.success(request, "The draft is discarded.")
    return redirect("policy-set", found.policy_set.slug)


@require_POST
def rebase(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Bring a draft up to what decides now."""
    person_of(request)
    actor = actor_of(request)
    prefer = request.POST.get("prefer", "")
    try:
        found = services.rebase_draft(
            actor=actor,
            draft_id=draft_id,
            version=_version(request),
            prefer="mine" if prefer == "mine" else "theirs" if prefer == "theirs" else "",
        )
    except Conflict as error:
        if error.code != "policy.rebase_clash":
            raise
        found = draft_for(actor, draft_id)
        context = _context(actor, found, content_of(version_of(found)))
        return render(request, "policies/draft.html", context | {"clash": error}, status=409)
    messages.success(request, f"Up to date with version {found.base.version if found.base else 0}.")
    return redirect("policy-draft", found.id)


@require_POST
def send(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Send a draft for review."""
    person_of(request)
    actor = actor_of(request)
    form = SendForm(request.POST)
    try:
        if form.is_valid():
            asked = services.request_release(
                actor=actor, draft_id=draft_id, version=_version(request), **form.cleaned_data
            )
            messages.success(request, "Sent for review. A second person decides.")
            return redirect("policy-review", asked.id)
        notice, status = None, 422
    except (Invalid, Conflict) as error:
        notice, status = error, error.status
    found = draft_for(actor, draft_id)
    context = _context(actor, found, content_of(version_of(found)))
    return render(request, "policies/draft.html", context | {"send_form": form, "notice": notice}, status=status)


def _save(request: HttpRequest, actor: Actor, found: PolicyDraft) -> HttpResponse:
    content, form, problems = _typed(request, found)
    message = request.POST.get("message")
    if problems or not form.is_valid():
        context = _context(actor, found, content, form=form) | {"form_problems": problems, "typed_message": message}
        return render(request, "policies/draft.html", context, status=422)
    try:
        services.save_draft(
            actor=actor,
            draft_id=found.id,
            version=_version(request),
            text=content.text,
            parameters=dict(content.parameters),
            cases=list(content.cases),
            message=message,
        )
    except Invalid as error:
        context = _context(actor, found, content, form=form) | {"notice": error, "typed_message": message}
        return render(request, "policies/draft.html", context, status=422)
    except Conflict as error:
        if "rebased" not in error.details:
            raise
        both = error.details["rebased"]
        merged = DraftContent(both["text"], both["parameters"], tuple(both["cases"]))
        found.refresh_from_db()
        context = _context(actor, found, merged) | {"stale": error, "typed_message": message}
        return render(request, "policies/draft.html", context, status=409)
    messages.success(request, "Saved.")
    return redirect("policy-draft", found.id)


def _typed(request: HttpRequest, found: PolicyDraft) -> tuple[DraftContent, ParameterForm, list[str]]:
    """What the form holds on top of the version it was opened with, and what of it is no JSON."""
    began = content_of(version_of(found, _version(request)))
    problems: list[str] = []
    parameters = _json(request, "parameters_json", began.parameters, "The parameters", dict, problems)
    cases = _json(request, "cases_json", list(began.cases), "The test cases", list, problems)
    if not problems and (wrong := case_problems(cases)):
        problems.append(f"The test cases{wrong[0]['pointer']}: {wrong[0]['sentence']}")
        cases = list(began.cases)
    form = ParameterForm(request.POST, parameters=began.parameters, teams=_teams())
    if form.is_valid():
        typed = form.parameters
        # what the engineer's field left as it was is taken from the owner's
        parameters = {
            name: typed[name] if stored == began.parameters.get(name) else stored for name, stored in parameters.items()
        }
    text = tidy(request.POST.get("text", began.text))
    return DraftContent(text, parameters, tuple(cases)), form, problems


def _json(request: HttpRequest, name: str, before: Any, what: str, kind: type, problems: list[str]) -> Any:
    if name not in request.POST:
        return before
    try:
        found = json.loads(request.POST[name] or ("{}" if kind is dict else "[]"))
    except (ValueError, RecursionError) as error:
        problems.append(f"{what} are not JSON: {error}.")
        return before
    if not isinstance(found, kind):
        problems.append(f"{what} are not {'an object' if kind is dict else 'a list'}.")
        return before
    return found


def _form_problems(form: ParameterForm) -> list[str]:
    return [f"{form.fields[name].label}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()]


def _version(request: HttpRequest) -> int:
    """The version the page was opened with. Raises Invalid."""
    text = request.POST.get("version", "")
    if not text.isascii() or not text.isdigit() or len(text) > 8:
        raise Invalid("policy.version_missing", "Load the page again: it does not say which version it shows.")
    return int(text)


def _teams() -> list[tuple[str, str]]:
    return list(Team.objects.order_by("name").values_list("slug", "name"))


def _context(
    actor: Actor, found: PolicyDraft, content: DraftContent, *, form: ParameterForm | None = None
) -> dict[str, Any]:
    process = found.policy_set.process
    writes = may_write(actor, process)
    is_engineer = holds(actor, MANAGE, process) if process else holds_mesh_wide(actor, MANAGE)
    present = present_release(found.policy_set)
    return {
        "draft": found,
        "policy_set": found.policy_set,
        "content": content,
        "form": form or ParameterForm(parameters=content.parameters, teams=_teams()),
        "shows_text": is_engineer or not writes,
        "parameters_json": json.dumps(dict(content.parameters), indent=2, ensure_ascii=False),
        "cases_json": json.dumps(list(content.cases), indent=2, ensure_ascii=False),
        "may_write": writes and found.is_open,
        "send_form": SendForm(initial={"message": found.message}),
        "may_release_alone": may_release_alone(actor, process),
        "alone_environments": Environment.values,
        **(asked_of(found.policy_set, {actor.known_id, *makers_of_draft(found)}) if writes and found.is_open else {}),
        "behind": present if present is not None and present != found.base else None,
        "review": found.policy_set.requests.filter(draft_version__draft=found).order_by("-id").first(),
        "editors": list(dict.fromkeys(str(each.edited_by) for each in found.versions.select_related("edited_by"))),
        **draft_panel(found),
        **_checked(found, content),
    }


def _checked(found: PolicyDraft, content: DraftContent) -> dict[str, Any]:
    ground = ground_of(found.policy_set)
    base = content_of(found.base)
    before, after = Content(base.text, base.parameters), Content(content.text, content.parameters)
    return {
        "draft": found,
        "checked": check(content, ground),
        "change": difference(before, after, ground.setting),
        "sentences": spoken(content, ground.setting),
    }
