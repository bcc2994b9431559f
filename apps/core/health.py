"""`/healthz`: the process is up. `/readyz`: everything it needs is up, with names when not."""

import datetime as dt
from collections.abc import Callable

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from kombu.connection import Connection

from apps.core import clock
from apps.core.models import Heartbeat
from apps.core.tasks import WORKER_HEARTBEAT

HEARTBEAT_MAX_AGE = dt.timedelta(seconds=20)


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every part answers, 503 otherwise; either way each part by name with a sentence. A part that only warns
    leaves it at 200: who is sent away from the console cannot mend it there.
    """
    parts = {name: _verdict(check) for name, check in CHECKS.items()}
    is_ready = all(verdict == "ok" for verdict in parts.values())
    parts |= {name: _verdict(check) for name, check in WARNINGS.items()}
    return JsonResponse(
        {"status": "ok" if is_ready else "unavailable", "parts": parts}, status=200 if is_ready else 503
    )


def _verdict(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:  # whatever a part raises means that it is not ready
        return f"{type(error).__name__}: does not answer"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(pending)} migrations wait" if pending else "ok"


def _broker() -> str:
    with Connection(settings.CELERY_BROKER_URL, connect_timeout=2, transport_options={"socket_timeout": 2}) as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
    return "ok"


def _worker() -> str:
    seen_at = Heartbeat.objects.filter(name=WORKER_HEARTBEAT).values_list("seen_at", flat=True).first()
    if seen_at is None:
        return "no worker has been seen yet"
    age = clock.now() - seen_at
    return "ok" if age < HEARTBEAT_MAX_AGE else f"last seen {int(age.total_seconds())} s ago"


CHECKS = {"database": _database, "migrations": _migrations, "broker": _broker, "worker": _worker}
# Of the apps above, by name.
WARNINGS: dict[str, Callable[[], str]] = {}
