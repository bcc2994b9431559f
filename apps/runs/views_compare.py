"""The HTML face of comparing two runs."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.requests import actor_of, person_of
from apps.core.errors import Invalid
from apps.core.ids import parse_uuid
from apps.core.once import read_once
from apps.runs.comparing import comparison_for, offered
from apps.runs.queries import run_for


def run_id_in(text: str | None) -> UUID:
    """Raises Invalid for what names no run."""
    found = parse_uuid(text or "")
    if found is None:
        raise Invalid("run.bad_comparison", "Say which two runs: a and b, each by its id.")
    return found


@require_safe
@read_once()
def compare(request: HttpRequest) -> HttpResponse:
    """With `a` and `b` both beside each other; with `a` alone, the runs to choose from."""
    person_of(request)
    actor = actor_of(request)
    a_id = run_id_in(request.GET.get("a"))
    if not request.GET.get("b"):
        run = run_for(actor, a_id)
        return render(request, "runs/compare_with.html", {"run": run, "runs": offered(actor, run)})
    comparison = comparison_for(actor, a_id, run_id_in(request.GET.get("b")))
    return render(request, "runs/compare.html", {"comparison": comparison})
