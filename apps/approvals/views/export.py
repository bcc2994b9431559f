"""The queue as a file."""

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_safe

from apps.accounts.requests import actor_of, person_of
from apps.approvals.export import export
from apps.approvals.filters import QueueFilter, beside
from apps.core.errors import NotFound
from apps.core.export import CONTENT_TYPES, FORMATS

# What a page keeps in its address besides the filter.
OF_THE_PAGE = ("after", "version", "look", "open", "stage")


@require_safe
def inbox_export(request: HttpRequest, format: str) -> HttpResponseBase:
    """Everything the filter in the address shows. A value that is none is refused: a file must not hold more than its
    reader asked for.
    """
    person_of(request)
    if (known := FORMATS.get(format)) is None:
        raise NotFound("page.not_found", "A list comes as csv or as jsonl.")
    query = QueueFilter.parse(beside(request.GET, *OF_THE_PAGE))
    response = StreamingHttpResponse(export(actor_of(request), query, known), content_type=CONTENT_TYPES[known])
    response["Content-Disposition"] = f'attachment; filename="approvals-{query.view}.{known}"'
    response["Cache-Control"] = "private, no-store"
    return response
