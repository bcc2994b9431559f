"""Votes approve on all that waits for one person, through the public API: a stand-in for an approver in trials.

    python -m examples.order_to_cash.voter --console URL --token TOKEN [--until-idle 30]
    python -m examples.order_to_cash.voter --console URL --username dana --password … [--until-idle 30]

Without --until-idle it votes until it is stopped.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx

LIST = "/api/v1/approvals"
SIGN_IN = "/accounts/login/"
TIMEOUT_SECONDS = 30.0
LOOK_SECONDS = 1.0
HIDDEN_TOKEN = re.compile(r'name="csrfmiddlewaretoken"\s+value="([^"]+)"')


class SignInFailed(Exception):
    """The console did not let this person in."""


class Voter:
    """One person's session or token."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._left_alone: set[str] = set()  # what this person may not vote on, or has been decided meanwhile

    def vote_on_all(self) -> int:
        """Vote on everything that waits now; returns how many votes were taken."""
        return sum(self._vote(item) for item in list(self._waiting()))

    def _waiting(self) -> Iterator[dict[str, Any]]:
        query: dict[str, str] = {"view": "mine"}
        while True:
            answer = self._client.get(LIST, params=query)
            answer.raise_for_status()
            page = answer.json()
            yield from (item for item in page["items"] if item["id"] not in self._left_alone)
            if not page.get("next"):
                return
            query = {"view": "mine", "cursor": page["next"]}

    def _vote(self, item: dict[str, Any]) -> bool:
        body = {"verdict": "approve", "digest": item["digest"]}
        answer = self._client.post(f"{LIST}/{item['id']}/votes", json=body)
        if answer.is_success:
            return True
        code = _code(answer)
        if answer.status_code < 500 and answer.status_code != 429 and code != "stale":
            print(f"left alone: {item['id']}: {answer.status_code} {code}", flush=True)
            self._left_alone.add(item["id"])
        return False


def with_token(console: str, token: str) -> Voter:
    headers = {"Authorization": f"Bearer {token}"}
    return Voter(httpx.Client(base_url=console, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False))


def with_session(console: str, username: str, password: str) -> Voter:
    """Sign in as a browser would, and send the anti-forgery token with each vote from then on."""
    client = httpx.Client(base_url=console, timeout=TIMEOUT_SECONDS, trust_env=False, headers={"Referer": console})
    page = client.get(SIGN_IN)
    hidden = HIDDEN_TOKEN.search(page.text)
    if not hidden:
        raise SignInFailed(f"{SIGN_IN} has no sign-in form: {page.status_code}")
    form = {"login": username, "password": password, "csrfmiddlewaretoken": hidden[1]}
    answer = client.post(SIGN_IN, data=form)
    if not answer.is_redirect:
        raise SignInFailed(f"{username} was not let in: {answer.status_code}")
    # A sign-in changes the token; a cookie holds the new one, or else any page with a form.
    cookie = client.cookies.get("csrftoken")
    fresh = None if cookie else HIDDEN_TOKEN.search(client.get("/inbox/", follow_redirects=True).text)
    client.headers["X-CSRFToken"] = cookie or (fresh[1] if fresh else hidden[1])
    return Voter(client)


def run(voter: Voter, until_idle_seconds: float | None) -> int:
    """Vote until nothing has waited for so long; None votes on until interrupted."""
    votes, last_vote = 0, time.monotonic()
    while until_idle_seconds is None or time.monotonic() - last_vote < until_idle_seconds:
        try:
            taken = voter.vote_on_all()
        except httpx.TransportError as problem:
            print(f"the console does not answer: {problem}", flush=True)
            taken = 0
        if taken:
            votes, last_vote = votes + taken, time.monotonic()
        else:
            time.sleep(LOOK_SECONDS)
    return votes


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("code", ""))
    except (ValueError, AttributeError):
        return answer.text[:80]


def main() -> None:
    parser = argparse.ArgumentParser(prog="voter", description="Approve all that waits for one person.")
    parser.add_argument("--console", required=True, metavar="URL")
    parser.add_argument("--token", help="a personal access token")
    parser.add_argument("--username")
    parser.add_argument("--password")
    parser.add_argument("--until-idle", type=float, metavar="SECONDS", help="end when nothing waited for so long")
    options = parser.parse_args()
    if bool(options.token) == bool(options.username and options.password):
        parser.error("give either --token or --username with --password")
    try:
        if options.token:
            voter = with_token(options.console, options.token)
        else:
            voter = with_session(options.console, options.username, options.password)
        votes = run(voter, options.until_idle)
    except (SignInFailed, httpx.HTTPError) as problem:
        sys.exit(f"voter: {problem}")
    except KeyboardInterrupt:
        return
    print(json.dumps({"votes": votes}))


if __name__ == "__main__":
    main()
