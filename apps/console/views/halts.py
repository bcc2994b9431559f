"""The HTML face of halts: two actions to stop, a reason to start again."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.requests import actor_of, person_of
from apps.console.forms import TYPED, HaltForm, HaltScopeForm, LiftForm
from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import NotFound
from apps.core.htmx import page_or_part, wants_partial
from apps.core.paging import page_of
from apps.gateway.models import CallState
from apps.gateway.preview import Touched, calls_when_placed, preview_of, restarts_of
from apps.halts import services
from apps.halts.consent import ramp_in_words
from apps.halts.models import Halt, Mode, ReasonCode, Scope
from apps.halts.overlap import still_holding
from apps.halts.queries import halt_for, halts_visible_to, is_in_force
from apps.halts.targets import Target, target_for
from apps.registry.models import Environment
from apps.registry.queries import agents_visible_to, processes_visible_to, tools_visible_to

# What to type for a scope that no list could show whole.
ASKS = {
    Scope.TOOL_AGENT: ("Tool and agent", "erp.write_off/o2c-writer"),
    Scope.RUN: ("The run's id", "0198c0de-…"),
    Scope.COUNTERPARTY: ("Kind and number", "customer:C-204"),
    Scope.PRINCIPAL: ("User name", "dana"),
}
TOUCHED = {
    "agents": "Agents",
    "runs": "Runs under way",
    "executing": "Calls being executed",
    "waiting": "Approvals waiting",
}
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
    mode = Mode(form.cleaned_data["mode"])
    target = _typed_target(actor, scope_type, reference, environment)
    known = {} if target is None else _known(actor, target, environment, mode)
    return {
        "form": form,
        "scope": f"{scope_type}:{reference}" if reference and scope_type not in TYPED else scope_type,
        "touched_scope": f"{scope_type}:{reference}" if reference else scope_type,
        "reference": reference,
        "asks": ASKS.get(Scope(scope_type)),
        "scopes": _scopes(actor, environment),
        "environment": environment,
        "environments": Environment.choices,
        "mode": mode,
        "modes": Mode.choices,
        "reason_codes": ReasonCode.choices,
        "target": target,
        **known,
        **extra,
    }


def _typed_target(actor: Actor, scope_type: str, reference: str, environment: str) -> Target | None:
    """None while what is typed names nothing; what was chosen from a list and is not there is an error."""
    try:
        return target_for(actor, scope_type=scope_type, reference=reference, environment=environment)
    except NotFound:
        if scope_type in TYPED:
            return None
        raise


def _known(actor: Actor, target: Target, environment: str, mode: Mode) -> dict[str, Any]:
    until = clock.now() + services.DEFAULT_DURATION
    preview = preview_of(actor, target, environment, mode=mode, until=until)
    return {
        "preview": preview,
        "may_place": services.may_place(actor, target),
        "confirm": f"{VERBS[mode]} {_restated(preview.agent_count, target)}",
    }


def _restated(agent_count: int, target: Target) -> str:
    """The button says what it does: 'Hold 14 agents', 'Hold Order-to-cash writer', 'Hold erp.find for 3 agents'."""
    agents = f"{agent_count} agent" if agent_count == 1 else f"{agent_count} agents"
    if target.scope_type in (Scope.MESH, Scope.BUSINESS_UNIT, Scope.PROCESS):
        return agents
    return f"{target.name} for {agents}" if target.scope_type in (Scope.CONNECTOR, Scope.TOOL) else target.name


def _scopes(actor: Actor, environment: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Everything one may name, grouped as a select shows it."""
    agents = agents_visible_to(actor).filter(environment=environment).order_by("name")
    processes = list(processes_visible_to(actor).order_by("name"))
    units = sorted({process.business_unit for process in processes if process.business_unit})
    tools = list(tools_visible_to(actor).select_related("connector").order_by("title"))
    connectors = sorted({(tool.connector.name, tool.connector.slug) for tool in tools})
    groups = [
        ("Mesh", [("mesh", "The whole mesh")]),
        ("Business units", [(f"business_unit:{unit}", unit) for unit in units]),
        ("Processes", [(f"process:{process.slug}", process.name) for process in processes]),
        ("Agents", [(f"agent:{agent.slug}", agent.name) for agent in agents]),
        ("Connectors", [(f"connector:{slug}", name) for name, slug in connectors]),
        ("Tools", [(f"tool:{tool.name}", tool.title) for tool in tools]),
        ("By name", [(scope.value, f"{scope.label} …") for scope in TYPED]),
    ]
    return [(name, choices) for name, choices in groups if choices]


def _place(request: HttpRequest) -> HttpResponse:
    form = HaltForm(request.POST)
    actor = actor_of(request)
    if not form.is_valid():
        scope_form = HaltScopeForm(request.POST)
        context = _panel(actor, scope_form if scope_form.is_valid() else _blank(), errors=form.errors)
        return page_or_part(request, "halts/new.html", "halts/_panel.html", context, status=422)
    scope_type, reference = form.cleaned_data.pop("scope")
    form.cleaned_data.pop("reference")
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
    holds = is_in_force(found)
    now = clock.now()
    calls = calls_when_placed(actor, found)
    return {
        "halt": found,
        "is_in_force": holds,
        "calls": calls,
        "finishing_count": sum(call.state == CallState.EXECUTING for call in calls),
        "restarts": restarts_of(actor, found) if holds else None,
        "still_holding": still_holding(actor, found),
        "lift": found.lift_requests.select_related("approval").first(),
        "ramp_percent": found.ramp_percent(now),
        "ramp_words": ramp_in_words(),
        "effective_mode": found.effective_mode(now),
        **extra,
    }


@require_POST
def lift(request: HttpRequest, halt_id: UUID) -> HttpResponse:
    """End a halt, or ask a second person to agree."""
    person_of(request)
    actor = actor_of(request)
    form = LiftForm(request.POST)
    if not form.is_valid():
        context = _shown(actor, halt_for(actor, halt_id), form=form)
        return page_or_part(request, "halts/halt.html", "halts/_halt.html", context, status=422)
    lifted = services.lift_halt(actor=actor, halt_id=halt_id, reason=form.cleaned_data["reason"])
    if lifted.lifted_at is None:
        return _done(request, "A second person is asked. Nothing starts before they agree.", f"/halts/{lifted.id}/")
    said = f"Lifted the {lifted.mode} on {lifted.scope_name}."
    others = still_holding(actor, lifted)
    if others:
        said += f" Still in force over some of it: {', '.join(str(other) for other in others)}."
    return _done(request, said, f"/halts/{lifted.id}/")


@require_POST
def hold(request: HttpRequest, halt_id: UUID) -> HttpResponse:
    """Stop a lift on its way: everything is held again."""
    person_of(request)
    held = services.hold_again(actor=actor_of(request), halt_id=halt_id)
    return _done(request, f"Everything is held again: {held.scope_name}.", f"/halts/{held.id}/")


@require_safe
def touched(request: HttpRequest) -> HttpResponse:
    """The rows behind one number of the preview: `what` is agents, runs, executing or waiting."""
    person_of(request)
    actor = actor_of(request)
    form = HaltScopeForm(request.GET)
    if not form.is_valid():
        form = _blank()
    (scope_type, reference), environment = form.cleaned_data["scope"], form.cleaned_data["environment"]
    target = target_for(actor, scope_type=scope_type, reference=reference, environment=environment)
    what = request.GET.get("what", "")
    what = what if what in TOUCHED else "agents"
    rows: Any = getattr(Touched(actor, target, environment), what)()
    kept = {"scope": f"{scope_type}:{reference}" if reference else scope_type, "environment": environment, "what": what}
    context = {
        "page": page_of(rows, cursor=request.GET.get("after")),
        "what": what,
        "title": TOUCHED[what],
        "target": target,
        "environment": environment,
        "kept": urlencode(kept),
    }
    return render(request, "halts/touched.html", context)


def _done(request: HttpRequest, said: str, url: str) -> HttpResponse:
    """The banner of every page changes with a halt, so the browser goes to the halt's own page."""
    messages.success(request, said)
    if wants_partial(request):
        response = HttpResponse(status=204)
        response["HX-Redirect"] = url
        return response
    return redirect(url)
