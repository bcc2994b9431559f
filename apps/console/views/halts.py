"""The HTML face of halts: two actions to stop, a reason to start again."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.console.forms import HaltForm, HaltScopeForm, LiftForm
from apps.core.actor import Actor
from apps.core.htmx import page_or_part, wants_partial
from apps.core.paging import page_of
from apps.gateway.preview import preview_of
from apps.halts import services
from apps.halts.models import Halt, Mode, ReasonCode, Scope
from apps.halts.queries import halt_for, halts_visible_to, target_for
from apps.registry.models import Environment
from apps.registry.queries import agents_visible_to, processes_visible_to, tools_visible_to

VERBS = {Mode.DRAIN: "Drain", Mode.HOLD: "Hold", Mode.STOP: "Stop"}


@require_http_methods(["GET", "POST"])
def halts(request: HttpRequest) -> HttpResponse:
    """GET: what is in force and what was. POST: place a halt."""
    person_of(request)
    if request.method == "POST":
        return _place(request)
    visible = halts_visible_to(actor_of(request))
    in_force = list(visible.filter(id__in=Halt.objects.in_force().values("id")).order_by("-id"))
    past = page_of(visible.exclude(id__in=[halt.id for halt in in_force]), cursor=request.GET.get("after"))
    return render(request, "halts/list.html", {"in_force": in_force, "past": past})


@require_safe
def halt_panel(request: HttpRequest) -> HttpResponse:
    """What to stop, how, and what that would touch: the first of the two actions opens it from anywhere."""
    person_of(request)
    form = HaltScopeForm(request.GET)
    context = _panel(actor_of(request), form if form.is_valid() else _blank())
    return page_or_part(request, "halts/new.html", "halts/_panel.html", context)


def _blank() -> HaltScopeForm:
    form = HaltScopeForm({})
    form.is_valid()
    return form


def _panel(actor: Actor, form: HaltScopeForm, **extra: Any) -> dict[str, Any]:
    (scope_type, reference), environment = form.cleaned_data["scope"], form.cleaned_data["environment"]
    target = target_for(actor, scope_type=scope_type, reference=reference, environment=environment)
    preview = preview_of(actor, target, environment)
    mode = Mode(form.cleaned_data["mode"])
    return {
        "form": form,
        "scope": f"{scope_type}:{reference}" if reference else scope_type,
        "scopes": _scopes(actor, environment),
        "environment": environment,
        "environments": Environment.choices,
        "mode": mode,
        "modes": Mode.choices,
        "reason_codes": ReasonCode.choices,
        "target": target,
        "preview": preview,
        "may_place": services.may_place(actor, target),
        "confirm": f"{VERBS[mode]} {_restated(preview.agent_count, target.name, scope_type)}",
        **extra,
    }


def _restated(agent_count: int, name: str, scope_type: str) -> str:
    """The button says what it does: 'Hold 14 agents', 'Hold Order-to-cash writer'."""
    if scope_type == Scope.AGENT:
        return name
    return f"{agent_count} agent" if agent_count == 1 else f"{agent_count} agents"


def _scopes(actor: Actor, environment: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Everything one may name, grouped as a select shows it."""
    agents = agents_visible_to(actor).filter(environment=environment).order_by("name")
    return [
        ("Mesh", [("mesh", "The whole mesh")]),
        (
            "Processes",
            [(f"process:{process.slug}", process.name) for process in processes_visible_to(actor).order_by("name")],
        ),
        ("Agents", [(f"agent:{agent.slug}", agent.name) for agent in agents]),
        ("Tools", [(f"tool:{tool.name}", tool.title) for tool in tools_visible_to(actor).order_by("title")]),
    ]


def _place(request: HttpRequest) -> HttpResponse:
    form = HaltForm(request.POST)
    actor = actor_of(request)
    if not form.is_valid():
        scope_form = HaltScopeForm(request.POST)
        context = _panel(actor, scope_form if scope_form.is_valid() else _blank(), errors=form.errors)
        return page_or_part(request, "halts/new.html", "halts/_panel.html", context, status=422)
    scope_type, reference = form.cleaned_data.pop("scope")
    halt = services.place_halt(actor=actor, scope_type=scope_type, scope_reference=reference, **form.cleaned_data)
    return _done(request, f"{VERBS[Mode(halt.mode)]} in force on {halt.scope_name}.", f"/halts/{halt.id}/")


@require_safe
def halt(request: HttpRequest, halt_id: UUID) -> HttpResponse:
    """One halt: in force since when, by whom, why, and what it holds."""
    person_of(request)
    actor = actor_of(request)
    found = halt_for(actor, halt_id)
    return render(request, "halts/halt.html", _shown(actor, found))


def _shown(actor: Actor, found: Halt, **extra: Any) -> dict[str, Any]:
    is_in_force = Halt.objects.in_force().filter(id=found.id).exists()
    target = target_for(
        actor, scope_type=found.scope_type, reference=str(found.scope_id or ""), environment=found.environment
    )
    preview = preview_of(actor, target, found.environment) if is_in_force else None
    return {"halt": found, "is_in_force": is_in_force, "preview": preview, **extra}


@require_POST
def lift(request: HttpRequest, halt_id: UUID) -> HttpResponse:
    """End a halt."""
    person_of(request)
    actor = actor_of(request)
    form = LiftForm(request.POST)
    if not form.is_valid():
        context = _shown(actor, halt_for(actor, halt_id), form=form)
        return page_or_part(request, "halts/halt.html", "halts/_halt.html", context, status=422)
    lifted = services.lift_halt(actor=actor, halt_id=halt_id, reason=form.cleaned_data["reason"])
    return _done(request, f"Lifted the {lifted.mode} on {lifted.scope_name}.", f"/halts/{lifted.id}/")


def _done(request: HttpRequest, said: str, url: str) -> HttpResponse:
    """The banner of every page changes with a halt, so the browser goes to the halt's own page."""
    messages.success(request, said)
    if wants_partial(request):
        response = HttpResponse(status=204)
        response["HX-Redirect"] = url
        return response
    return redirect(url)
