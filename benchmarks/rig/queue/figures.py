"""What the acts of an approver cost: time in the server, from request to the last byte of the answer."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.test import Client

from apps.accounts.models import User
from apps.accounts.requests import actor_for
from apps.approvals import services
from apps.approvals.filters import QueueFilter
from apps.approvals.inbox import queue_for
from apps.approvals.models import Approval
from apps.core.actor import Actor
from benchmarks.rig.queue.world import ADMINISTRATOR, APPROVER

ROUNDS = 40
WARM_UP = 3
DEEP_PAGES = 10
BULK = 500


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of each round."""

    seconds: list[float]

    @property
    def p50_ms(self) -> float:
        return statistics.median(self.seconds) * 1000

    @property
    def p95_ms(self) -> float:
        return (
            statistics.quantiles(self.seconds, n=20, method="inclusive")[-1] * 1000
            if len(self.seconds) > 1
            else (self.seconds[0] * 1000)
        )


def figures() -> dict[str, Times]:
    """By name, over what is in the database now."""
    dana, root = browser(APPROVER), browser(ADMINISTRATOR)
    actor = actor_for(User.objects.get(username=APPROVER), via="session")
    found = {
        "list, waiting for me": times_of(lambda: get(dana, "/inbox/?view=mine")),
        f"list, page {DEEP_PAGES}": times_of(partial(get, dana, _deep(dana))),
        "list, high risk in EUR": times_of(lambda: get(dana, "/inbox/?view=mine&risk=high&currency=EUR")),
        "list, everything": times_of(lambda: get(dana, "/inbox/?view=all")),
        "poll, nothing new": times_of(_poll(dana)),
        "API, waiting for me": times_of(lambda: get(dana, "/api/v1/approvals?view=mine")),
        "Django admin, same rows": times_of(lambda: get(root, "/admin/approvals/approval/?state__exact=pending")),
        "vote and next card": times_of(_votes(dana)),
    }
    if Approval.objects.filter(state="pending").count() > BULK * 10:
        found |= {
            "select all matching": times_of(lambda: _select_all(actor), rounds=3),
            f"bulk vote of {BULK}": times_of(_bulk_votes(actor), rounds=3),
        }
    return found


def browser(username: str) -> Client:
    client = Client()
    user = User.objects.get(username=username)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def get(client: Client, url: str, **headers: str) -> Any:
    answer = client.get(url, headers=headers)
    assert answer.status_code in (200, 204), (url, answer.status_code)
    return answer


def times_of(act: Callable[[], object], rounds: int = ROUNDS) -> Times:
    for _ in range(WARM_UP if rounds > WARM_UP else 1):
        act()
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    return Times(seconds)


def _deep(client: Client) -> str:
    """The address of a page that is reached by turning pages."""
    cursor = None
    for _ in range(DEEP_PAGES - 1):
        url = "/api/v1/approvals?view=mine" + (f"&cursor={cursor}" if cursor else "")
        cursor = get(client, url).json()["next"] or cursor
    return "/inbox/?view=mine" + (f"&after={cursor}" if cursor else "")


def _poll(client: Client) -> Callable[[], object]:
    """As the page polls: with the version of what it shows."""
    actor = actor_for(User.objects.get(username=APPROVER), via="session")
    version = queue_for(actor, QueueFilter(view="mine")).version
    return lambda: get(client, f"/inbox/?view=mine&version={version}", **{"HX-Request": "true"})


def _votes(client: Client) -> Callable[[], object]:
    """Each round votes on what stands first and gets the next card, as the page does."""

    def vote() -> None:
        first = queue[-1]
        body = {"verdict": "approve", "digest": first.digest}
        answer = client.post(f"/inbox/{first.id}/vote/?view=mine", body, headers={"HX-Request": "true"})
        assert answer.status_code == 200, answer.status_code
        queue.pop()

    mine = QueueFilter(view="mine").apply(actor_for(User.objects.get(username=APPROVER), via="session"))
    queue = list(mine.exclude(risk="high").filter(is_reversible=True)[: ROUNDS + WARM_UP + 1])
    return vote


def _select_all(actor: Actor) -> object:
    return services.select(actor=actor, query=QueueFilter(view="all", state=("pending",)))


def _bulk_votes(actor: Actor) -> Callable[[], object]:
    """Picking the rows is part of it."""

    def vote() -> None:
        rows = QueueFilter(view="mine").apply(actor).exclude(risk="high").filter(is_reversible=True)
        ids = list(rows.values_list("id", flat=True)[:BULK])
        selection = services.select(actor=actor, query=QueueFilter(view="mine"), ids=ids)
        bulk = services.bulk_vote(actor=actor, selection_id=selection.id, verdict="approve")
        assert bulk.done_count == BULK, bulk.done_count

    return vote
