"""A step for every request. The middleware is there only where something is sent."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from apps.core import observing
from apps.core.middleware import GetResponse
from apps.core.tracing import read_traceparent

# What asks every few seconds, and what is itself about traces.
UNTOLD = ("/healthz", "/readyz", "/v1/traces", "/static/")


def traced_request(get_response: GetResponse) -> GetResponse:
    """Named by its route, never by its address: that may hold what people typed."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(UNTOLD):
            return get_response(request)
        parent = read_traceparent(request.headers.get("traceparent"))
        with observing.step("http.request", observing.SERVER, parent=parent):
            observing.note({"http.request.method": request.method or ""})
            response = get_response(request)
            route = request.resolver_match.route if request.resolver_match else ""
            observing.note({"http.route": route, "http.response.status_code": response.status_code})
            observing.note(_id_of(response))
        return response

    return middleware


def _id_of(response: HttpResponse) -> observing.Attributes:
    """The id that the log lines carry too. One that the caller chose may be anything."""
    try:
        return {"mesh.request.id": str(UUID(response.get("X-Request-Id", "")))}
    except ValueError:
        return {}
