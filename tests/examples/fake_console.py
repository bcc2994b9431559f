"""A console reduced to what agents and voters see of it, with no database and the simplest honest policy.

Speaks the HTTP contract and carries calls out against the real example systems, by the very tool definitions the real
console is given. Kept in one process and in memory: it outlives agents that are killed.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
import threading
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import httpx

from tests.examples.serving import serving

PENDING = ("awaiting_approval", "queued", "executing")
ALONE_MINOR = 3000
PATIENCE_SECONDS = 1.0
ATTEMPTS = 12


@dataclass
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def problem(status: int, code: str, **more: Any) -> Answer:
    return Answer(status, {"code": code, "detail": "a sentence", "status": status, **more})


class FakeConsole:
    """Public attributes are what tests look at and turn."""

    def __init__(self, declaration: dict[str, Any], *, port: int = 0) -> None:
        self.tools = {tool["name"]: tool for tool in declaration["tools"]}
        self.bases = {c["slug"]: c["environments"]["production"]["base_url"] for c in declaration["connectors"]}
        secret_of = {c["slug"]: c["environments"]["production"]["auth"]["secret"] for c in declaration["connectors"]}
        self.system_tokens = {slug: Path(uri.removeprefix("file://")).read_text() for slug, uri in secret_of.items()}
        self.grants = {(grant["agent"], grant["tool"]) for grant in declaration["grants"]}
        self.secrets = {agent["slug"]: secrets.token_hex(8) for agent in declaration["agents"]}
        self.tokens: dict[str, str] = {}
        self.token_count = 0
        self.token_seconds = 900
        self.calls: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.scripted: dict[str, list[Answer]] = defaultdict(list)
        """Answers given instead of the real ones, by tool name; one is used up per request."""
        self.auto_approve = False
        self._run_by_key: dict[str, dict[str, Any]] = {}
        self._by_key: dict[tuple[str, str, str], str] = {}
        self._changed = threading.Condition(threading.RLock())
        self._local = threading.local()
        handler = type("Handler", (_Handler,), {"console": self})
        self._server = _Server(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeConsole:
        self._serving = serving(self._server)
        self._serving.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._serving.__exit__(None, None, None)

    def credentials(self) -> dict[str, Any]:
        """As `bootstrap` prints it."""
        pairs = self.secrets.items()
        return {
            "credentials": [{"agent": slug, "client_id": f"id-{slug}", "client_secret": key} for slug, key in pairs]
        }

    def calls_of(self, tool: str, state: str | None = None) -> list[dict[str, Any]]:
        with self._changed:
            return [c for c in self.calls.values() if c["tool"] == tool and state in (None, c["state"])]

    def decide(
        self,
        call_id: str,
        verdict: str,
        *,
        reason_code: str = "not_justified",
        comment: str = "The price was agreed.",
    ) -> None:
        """What a person's vote, or the passing of time, does to a waiting call."""
        with self._changed:
            call = self.calls[call_id]
            if call["state"] != "awaiting_approval" or call["approval"]["state"] != "pending":
                return
            feedback = {"verdict": verdict, "reason_code": reason_code, "comment": comment, "by": "Dana Ruiz"}
            if verdict == "request_changes":
                call["approval"] |= {"state": "changes_requested", "feedback": feedback}
            else:
                call["state"] = {"approve": "executing", "reject": "rejected"}.get(verdict, verdict)
            if call["state"] == "rejected":
                call["approval"]["feedback"] = feedback
            self._changed.notify_all()
        if verdict == "approve":
            threading.Thread(target=self._execute, args=(call,), daemon=True).start()

    def edit(self, call_id: str, **arguments: str) -> None:
        """A person changes what was asked for, as part of approving it."""
        with self._changed:
            self._change(self.calls[call_id], self.calls[call_id]["arguments"] | arguments)

    def _change(self, call: dict[str, Any], arguments: dict[str, Any], **statement: Any) -> None:
        call |= {"arguments": arguments, "version": call["version"] + 1, "digest": uuid.uuid4().hex, **statement}
        call["money"] = _money(arguments)
        call["approval"] = self._approval(call)

    # -- the faces ---------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], headers: Any, body: bytes) -> Answer:
        self.requests.append((method, path))
        if path in ("/healthz", "/readyz"):
            return Answer(200, {"status": "ok"})
        if path == "/oauth/token":
            return self._token(headers, body)
        if path.startswith(("/accounts/", "/api/v1/approvals")):
            return self._person(method, path, headers, body)
        agent = self.tokens.get(headers.get("Authorization", "").removeprefix("Bearer "))
        if agent is None:
            return problem(401, "invalid_token")
        if path == "/api/v1/tool-calls":
            return self._request(agent, json.loads(body))
        if path.endswith("/versions"):
            return self._revise(self.calls[path.split("/")[4]], json.loads(body))
        if path.endswith("/cancel"):
            return self._cancel(self.calls[path.split("/")[4]])
        if path.startswith("/api/v1/tool-calls/"):
            return self._read(path.rsplit("/", 1)[1], float(query.get("wait", 0)))
        return self._run(method, path, json.loads(body), headers)

    def _token(self, headers: Any, body: bytes) -> Answer:
        pair = base64.b64decode(headers.get("Authorization", "").removeprefix("Basic ")).decode()
        client_id, _, secret = pair.partition(":")
        slug = client_id.removeprefix("id-")
        if self.secrets.get(slug) != secret or parse_qs(body.decode())["grant_type"] != ["client_credentials"]:
            return problem(401, "invalid_client")
        token = secrets.token_hex(8)
        self.tokens[token] = slug
        self.token_count += 1
        return Answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": self.token_seconds})

    def _request(self, agent: str, asked: dict[str, Any]) -> Answer:
        tool = asked["tool"]
        if self.scripted[tool]:
            return self.scripted[tool].pop(0)
        if (agent, tool) not in self.grants:
            return problem(404, "tool_not_found")
        if asked["run_id"] not in self.runs:
            return problem(404, "run.not_found")
        with self._changed:
            known = self._by_key.get((agent, tool, asked["idempotency_key"]))
            if known:
                return self._shown(self.calls[known], asked)
            call = self._open(agent, asked)
        if call["state"] == "executing":
            self._execute(call)
        return self._shown(call)

    def _open(self, agent: str, asked: dict[str, Any]) -> dict[str, Any]:
        call = {name: asked.get(name) for name in ("tool", "arguments", "idempotency_key", "run_id", "rationale")}
        call |= {"id": str(uuid.uuid4()), "agent": agent, "result": None, "error": None, "approval": None}
        call |= {"evidence": asked.get("evidence"), "confidence": asked.get("confidence"), "digest": uuid.uuid4().hex}
        call |= {"version": 1, "asked": asked["arguments"], "money": _money(asked["arguments"])}
        call["state"] = self._decide_state(asked)
        if call["state"] == "awaiting_approval":
            call["approval"] = self._approval(call)
        says = {"denied": "No agent changes customer master data"}.get(call["state"], "")
        call["decision"] = {"outcome": "deny" if says else "allow", "policies": [{"says": says}]}
        self.calls[call["id"]] = call
        self._by_key[agent, call["tool"], call["idempotency_key"]] = call["id"]
        if self.auto_approve and call["state"] == "awaiting_approval":
            threading.Timer(0.05, self.decide, (call["id"], "approve")).start()
        return call

    def _approval(self, call: dict[str, Any]) -> dict[str, Any]:
        number = f"-{call['version']}" if call["version"] > 1 else ""
        return {"id": f"approval-{call['id']}{number}", "state": "pending", "expires_at": "2099-01-01T00:00:00Z"}

    def _revise(self, call: dict[str, Any], answer: dict[str, Any]) -> Answer:
        """As the console: people are asked again, also where policy would now allow it."""
        with self._changed:
            if not call["approval"] or call["approval"]["state"] != "changes_requested":
                return problem(409, "tool_call.not_asked_to_change")
            said = {name: answer[name] for name in ("rationale", "evidence", "confidence") if name in answer}
            if answer["arguments"] == call["arguments"] and all(call[name] == said[name] for name in said):
                return problem(422, "edit.nothing_changed")
            self._change(call, answer["arguments"], **said)
            return self._shown(call)

    def _cancel(self, call: dict[str, Any]) -> Answer:
        with self._changed:
            if call["state"] != "awaiting_approval":
                return problem(409, "tool_call.not_cancellable")
            call["state"] = "cancelled"
            call["approval"] = {**call["approval"], "state": "cancelled"}
            call["approval"].pop("feedback", None)
            self._changed.notify_all()
            return self._shown(call)

    def _decide_state(self, asked: dict[str, Any]) -> str:
        minor = int(asked["arguments"].get("amount", "0").replace(".", ""))
        if asked["tool"] == "crm.update_customer":
            return "denied"
        is_large = asked["tool"] == "erp.issue_credit_memo" and minor > ALONE_MINOR
        never_alone = ("erp.write_off", "crm.extend_payment_term", "crm.withdraw_extension")
        return "awaiting_approval" if is_large or asked["tool"] in never_alone else "executing"

    def _shown(self, call: dict[str, Any], asked: dict[str, Any] | None = None) -> Answer:
        if asked and asked["arguments"] not in (call["arguments"], call["asked"]):
            return problem(409, "idempotency_conflict")
        status = {"denied": 403, "failed": 502, "outcome_unknown": 502}.get(
            call["state"], 202 if call["state"] in PENDING else 200
        )
        return Answer(status, {**call, "replayed": asked is not None})

    def _read(self, call_id: str, wait_seconds: float) -> Answer:
        deadline = time.monotonic() + wait_seconds
        with self._changed:
            call = self.calls[call_id]
            while (
                call["state"] in PENDING and not _is_the_agents_turn(call) and (left := deadline - time.monotonic()) > 0
            ):
                self._changed.wait(left)
            return Answer(200 if call["state"] not in PENDING else 202, {**call, "replayed": False})

    def _run(self, method: str, path: str, body: dict[str, Any], headers: Any) -> Answer:
        if method == "POST":
            with self._changed:
                fresh = {"id": str(uuid.uuid4()), "state": "open", **body}
                run = self._run_by_key.setdefault(headers["Idempotency-Key"], fresh)
                self.runs[run["id"]] = run
            return Answer(201, run)
        run = self.runs[path.rsplit("/", 1)[1]]
        run["state"] = body["state"]
        return Answer(200, run)

    def _person(self, method: str, path: str, headers: Any, body: bytes) -> Answer:
        if path == "/accounts/login/":
            return self._sign_in(method, body)
        token = headers.get("Authorization") == "Bearer pat-dana"
        session = "session=dana" in headers.get("Cookie", "") and headers.get("X-CSRFToken", "csrf-2") == "csrf-2"
        if not (token or session):
            return problem(401, "not_authenticated")
        if method == "GET":
            open_ones = [c for c in list(self.calls.values()) if c["state"] == "awaiting_approval"]
            waiting = [c for c in open_ones if not _is_the_agents_turn(c)]
            items = [{"id": c["approval"]["id"], "digest": c["digest"]} for c in waiting[:20]]
            return Answer(200, {"items": items, "next": None})
        asked = path.split("/")[4]
        call = next(c for c in self.calls.values() if c["approval"] and c["approval"]["id"] == asked)
        vote = json.loads(body)
        if vote["digest"] != call["digest"]:
            return problem(409, "stale")
        self.decide(call["id"], vote["verdict"])
        return Answer(200, {})

    def _sign_in(self, method: str, body: bytes) -> Answer:
        form = '<form><input type="hidden" name="csrfmiddlewaretoken" value="csrf-1"></form>'
        if method == "GET":
            return Answer(200, form)
        fields = parse_qs(body.decode())
        if fields != {"login": ["dana"], "password": ["right"], "csrfmiddlewaretoken": ["csrf-1"]}:
            return Answer(200, form)
        return Answer(
            302, "", {"Location": "/inbox/", "Set-Cookie": "session=dana; Path=/", "X-Set": "csrftoken=csrf-2; Path=/"}
        )

    # -- carrying calls out ------------------------------------------------------------------------------------------

    def _execute(self, call: dict[str, Any]) -> None:
        """At most one effect: ask again with the same key where the tool is idempotent, else look, else say unknown."""
        tool = self.tools[call["tool"]]
        is_repeatable = tool["effect"] == "read" or tool.get("idempotent")
        state, result, error = "outcome_unknown", None, {"code": "outcome_unknown", "sentence": "nobody knows"}
        for _ in range(ATTEMPTS):
            outcome = self._attempt(tool, call["arguments"], call["idempotency_key"])
            if outcome is None and not is_repeatable:
                outcome = self._look_up(tool, call)
            if outcome is not None:
                state, result, error = outcome
                break
            if not is_repeatable:
                break
        with self._changed:
            call.update(state=state, result=result, error=error)
            self._changed.notify_all()

    def _look_up(self, tool: dict[str, Any], call: dict[str, Any]) -> tuple[str, Any, Any] | None:
        lookup = tool.get("lookup")
        if not lookup:
            return None
        document = {"arguments": call["arguments"], "idempotency_key": call["idempotency_key"]}
        arguments = {name: _at(document, pointer) for name, pointer in lookup["arguments"].items()}
        for _ in range(ATTEMPTS):
            outcome = self._attempt(self.tools[lookup["tool"]], arguments, "lookup")
            if outcome:
                items = outcome[1]["items"]
                error = {"code": "connector.no_effect", "sentence": "nothing happened"}
                return ("succeeded", items[0], None) if items else ("failed", None, error)
        return None

    def _attempt(self, tool: dict[str, Any], arguments: dict[str, Any], key: str) -> tuple[str, Any, Any] | None:
        """None when nobody can say what happened."""
        request = tool["request"]
        slug = tool["connector"]
        path = request["path"].format(**{name: quote(str(value), safe="") for name, value in arguments.items()})
        query = {name: str(_at(arguments, pointer)) for name, pointer in request.get("query", {}).items()}
        headers = {"Authorization": f"Bearer {self.system_tokens[slug]}", "Idempotency-Key": key}
        body = arguments if "body" in request else None
        try:
            url = self.bases[slug] + path
            answer = self._http().request(request["method"], url, params=query, json=body, headers=headers)
            if answer.status_code >= 500:
                return None
            if answer.is_error:
                return "failed", None, {"code": "connector.refused", "sentence": answer.text}
            return "succeeded", answer.json(), None
        except (httpx.HTTPError, ValueError):
            return None

    def _http(self) -> httpx.Client:
        if not hasattr(self._local, "client"):
            self._local.client = httpx.Client(timeout=PATIENCE_SECONDS, trust_env=False)
        client: httpx.Client = self._local.client
        return client


def _is_the_agents_turn(call: dict[str, Any]) -> bool:
    return bool(call["approval"]) and call["approval"]["state"] == "changes_requested"


def _money(arguments: dict[str, Any]) -> dict[str, Any] | None:
    if "amount" not in arguments:
        return None
    return {"minor": int(arguments["amount"].replace(".", "")), "currency": arguments["currency"]}


def _at(document: Any, pointer: str) -> Any:
    for name in pointer.strip("/").split("/"):
        document = document[name]
    return document


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Agents are killed here all the time; a connection they leave behind is no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    console: FakeConsole
    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = dict(parse_qsl(address.query))
        answer = self.console.answer(self.command, address.path, query, self.headers, body)
        data = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in answer.headers.items():
            self.send_header("Set-Cookie" if name == "X-Set" else name, value)
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_PATCH = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass
