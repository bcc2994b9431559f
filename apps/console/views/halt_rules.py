"""The page of rules that place halts."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.requests import actor_of, person_of
from apps.console.forms import HaltRuleForm
from apps.core.actor import Actor
from apps.halts import services
from apps.halts.queries import rules_visible_to
from apps.registry.models import Environment
from apps.registry.permissions import GOVERN
from apps.registry.queries import agents_visible_to, processes_visible_to, processes_where, tools_visible_to


@require_http_methods(["GET", "POST"])
def rules(request: HttpRequest) -> HttpResponse:
    """GET: what halts by itself, and when. POST: set a rule."""
    person_of(request)
    actor = actor_of(request)
    if request.method == "GET":
        return render(request, "halts/rules.html", _page(actor, HaltRuleForm()))
    form = HaltRuleForm(request.POST)
    if not form.is_valid():
        return render(request, "halts/rules.html", _page(actor, form), status=422)
    data = form.cleaned_data
    slug, (scope_type, reference) = data.pop("slug"), data.pop("scope")
    text = services.RuleText(scope_type=scope_type, scope_reference=reference, **data)
    rule = services.set_rule(actor=actor, slug=slug, text=text)
    messages.success(request, f"{rule} {'is tried out' if rule.is_dry else 'is in force'}.")
    return redirect("halt-rules")


@require_POST
def retire(request: HttpRequest, slug: str) -> HttpResponse:
    """Take a rule out of force."""
    person_of(request)
    rule = services.retire_rule(actor=actor_of(request), slug=slug)
    messages.success(request, f"{rule} is out of force. What it has halted stays halted.")
    return redirect("halt-rules")


def _page(actor: Actor, form: HaltRuleForm) -> dict[str, Any]:
    groups = [
        ("Processes", [(f"process:{each.slug}", each.name) for each in processes_visible_to(actor).order_by("name")]),
        ("Agents", [(f"agent:{each.slug}", each.name) for each in agents_visible_to(actor).order_by("name")]),
        ("Tools", [(f"tool:{each.name}", each.title) for each in tools_visible_to(actor).order_by("title")]),
    ]
    return {
        "rules": list(rules_visible_to(actor)),
        "form": form,
        "scopes": groups,
        "environments": Environment.choices,
        "may_set": processes_where(actor, GOVERN).exists(),
    }
