import json, pytest
from tests.conftest import *
from tests.access.scene import Scene, undone

pytestmark = pytest.mark.django_db


def deep(n):
    return "[" * n + "]" * n


def test_probe(writer, sign_in, api, erp):
    s = Scene()
    w = writer.api()
    dana = api("dana")
    omar = api("omar")
    T = "/api/v1/tool-calls"

    def call(args, **more):
        return json.dumps({"tool": "erp.open_ticket", "idempotency_key": "k", "arguments": args, **more})

    A = {"reference": "T"}

    def raw(args):
        return '{"tool":"erp.open_ticket","idempotency_key":"k","arguments":{"reference":"T","x":%s}}' % args

    probes = [
        ("deep10k", w, T, raw(deep(10000))),
        ("deep 500", w, T, raw(deep(500))),
        ("deep 100", w, T, raw(deep(100))),
        ("deepobj 900", w, T, raw('{"a":' * 900 + "1" + "}" * 900)),
        ("2^53", w, T, raw(2**53)),
        ("-2^53", w, T, raw(-(2**53))),
        ("2^53-1", w, T, raw(2**53 - 1)),
        ("10^400", w, T, raw(10**400)),
        ("huge digits 5000", w, T, raw("1" * 5000)),
        ("1e400", w, T, raw("1e400")),
        ("1e308", w, T, raw("1e308")),
        ("NaN", w, T, raw("NaN")),
        ("Infinity", w, T, raw("Infinity")),
        ("dup args", w, T, raw('1,"x":2')),
        (
            "dup top",
            w,
            T,
            '{"tool":"erp.open_ticket","tool":"erp.open_ticket","idempotency_key":"k","arguments":{"reference":"T"}}',
        ),
        ("surrogate arg", w, T, raw('"\\ud800"')),
        ("surrogate reference", w, T, call({"reference": "\ud800"})),
        ("surrogate key name", w, T, raw('1,"\\udc00":2')),
        ("nul arg", w, T, raw('"a\\u0000b"')),
        ("nul reference", w, T, call({"reference": "a\0b"})),
        ("nul argkey", w, T, raw('1,"a\\u0000":2')),
        ("nul rationale", w, T, call(A, rationale="a\0b")),
        ("nul tool", w, T, json.dumps({"tool": "a\0", "idempotency_key": "k", "arguments": {}})),
        ("nul key", w, T, json.dumps({"tool": "erp.open_ticket", "idempotency_key": "k\0", "arguments": A})),
        ("nul evidence", w, T, call(A, evidence=[{"title": "a\0b"}])),
        ("nul obo", w, T, call(A, on_behalf_of="a\0b")),
        ("nul region", w, T, call(A, region="a\0b")),
        ("sur rationale", w, T, call(A, rationale="a\ud800")),
        ("sur evidence", w, T, call(A, evidence=[{"title": "a\ud800"}])),
        ("sur region", w, T, call(A, region="a\ud800")),
        ("sur obo", w, T, call(A, on_behalf_of="a\ud800")),
        ("sur tool", w, T, json.dumps({"tool": "a\ud800", "idempotency_key": "k", "arguments": {}})),
        ("conf str", w, T, call(A, confidence="high")),
        ("conf 2", w, T, call(A, confidence=2)),
        ("conf nan str", w, T, call(A, confidence="nan")),
        ("conf inf", w, T, call(A, confidence="inf")),
        ("conf true", w, T, call(A, confidence=True)),
        ("long arg", w, T, raw('"%s"' % ("x" * 900000))),
        ("long reference", w, T, call({"reference": "x" * 900000})),
        ("long rationale", w, T, call(A, rationale="x" * 20001)),
        ("list", w, T, "[1,2]"),
        ("string", w, T, '"x"'),
        ("null", w, T, "null"),
        ("number", w, T, "1"),
        ("empty", w, T, ""),
        ("true", w, T, "true"),
        ("bad utf8", w, T, b'{"tool": "\xff"}'),
        ("bom", w, T, b"\xef\xbb\xbf{}"),
        ("utf16", w, T, '{"tool":"x"}'.encode("utf-16")),
        ("list tool", w, T, '{"tool":["x"],"idempotency_key":{"a":1},"arguments":{}}'),
        ("bool key", w, T, '{"tool":true,"idempotency_key":true,"arguments":{}}'),
        ("number key", w, T, '{"tool":"erp.open_ticket","idempotency_key":12,"arguments":{"reference":"T"}}'),
        ("evidence dict", w, T, call(A, evidence={"a": 1})),
        ("evidence strs", w, T, call(A, evidence=["a"])),
        ("evidence many", w, T, call(A, evidence=[{"title": "a"}] * 5000)),
        ("uri js", w, T, call(A, evidence=[{"title": "a", "uri": "javascript:alert(1)"}])),
        ("run_id int", w, T, call(A, run_id=7)),
        ("run_id list", w, T, call(A, run_id=[1])),
        ("run_id big", w, T, call(A, run_id=2**130)),
        ("run_id -1", w, T, call(A, run_id=-1)),
        ("dry_run str", w, T, call(A, dry_run="maybe")),
        ("dry_run null", w, T, call(A, dry_run=None)),
        ("args null", w, T, call(None)),
        ("run nul title", w, "/api/v1/runs", json.dumps({"title": "a\0b"})),
        ("run sur title", w, "/api/v1/runs", json.dumps({"title": "a\ud800"})),
        ("run sur bk", w, "/api/v1/runs", json.dumps({"title": "a", "business_key": "\ud800"})),
        ("run nul bk", w, "/api/v1/runs", json.dumps({"title": "a", "business_key": "\0"})),
        ("run long", w, "/api/v1/runs", json.dumps({"title": "a" * 201})),
        ("run list", w, "/api/v1/runs", "[]"),
        ("run deep", w, "/api/v1/runs", '{"title":"a","business_key":%s}' % deep(10000)),
        (
            "halt nul reason",
            omar,
            "/api/v1/halts",
            json.dumps(
                {
                    "scope": {"type": "agent", "id": "writer"},
                    "environment": "production",
                    "mode": "hold",
                    "reason_code": "drill",
                    "reason": "a\0",
                }
            ),
        ),
        (
            "halt sur reason",
            omar,
            "/api/v1/halts",
            json.dumps(
                {
                    "scope": {"type": "agent", "id": "writer"},
                    "environment": "production",
                    "mode": "hold",
                    "reason_code": "drill",
                    "reason": "a\ud800",
                }
            ),
        ),
        (
            "halt nul scope",
            omar,
            "/api/v1/halts",
            json.dumps(
                {
                    "scope": {"type": "agent", "id": "wr\0"},
                    "environment": "production",
                    "mode": "hold",
                    "reason_code": "drill",
                }
            ),
        ),
        (
            "halt sur scope",
            omar,
            "/api/v1/halts",
            json.dumps(
                {
                    "scope": {"type": "agent", "id": "wr\ud800"},
                    "environment": "production",
                    "mode": "hold",
                    "reason_code": "drill",
                }
            ),
        ),
        (
            "halt scope list",
            omar,
            "/api/v1/halts",
            json.dumps({"scope": ["agent"], "environment": "production", "mode": "hold", "reason_code": "drill"}),
        ),
        (
            "halt expires far",
            omar,
            "/api/v1/halts",
            json.dumps(
                {
                    "scope": {"type": "agent", "id": "writer"},
                    "environment": "production",
                    "mode": "hold",
                    "reason_code": "drill",
                    "expires_at": "9999-12-31T23:59:59Z",
                }
            ),
        ),
        (
            "halt expires naive",
            omar,
            "/api/v1/halts",
            json.dumps(
                {
                    "scope": {"type": "agent", "id": "writer"},
                    "environment": "production",
                    "mode": "hold",
                    "reason_code": "drill",
                    "expires_at": "2026-11-20T23:59:59",
                }
            ),
        ),
        (
            "halt expires off",
            omar,
            "/api/v1/halts",
            json.dumps(
                {
                    "scope": {"type": "agent", "id": "writer"},
                    "environment": "production",
                    "mode": "hold",
                    "reason_code": "drill",
                    "expires_at": "0001-01-01T00:00:00+14:00",
                }
            ),
        ),
        (
            "halt mesh w id",
            omar,
            "/api/v1/halts",
            json.dumps(
                {
                    "scope": {"type": "mesh", "id": "writer"},
                    "environment": "production",
                    "mode": "hold",
                    "reason_code": "drill",
                }
            ),
        ),
        (
            "halt mode dict",
            omar,
            "/api/v1/halts",
            json.dumps(
                {
                    "scope": {"type": "agent", "id": "writer"},
                    "environment": "production",
                    "mode": {},
                    "reason_code": "drill",
                }
            ),
        ),
        ("tok sur", dana, "/api/v1/tokens", json.dumps({"name": "\ud800"})),
        ("tok nul", dana, "/api/v1/tokens", json.dumps({"name": "a\0"})),
        ("tok days big", dana, "/api/v1/tokens", json.dumps({"name": "a", "days": 2**70})),
        ("tok days huge", dana, "/api/v1/tokens", '{"name":"a","days":%s}' % ("9" * 3000)),
    ]
    for what, c, path, body in probes:

        def go():
            return c.generic(
                "POST",
                path,
                body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass"),
                content_type="application/json",
            )

        try:
            r = undone(go)
            j = r.json() if r.content else {}
            print(
                f"{what:20} {r.status_code} {j.get('code')} {r['Content-Type'] if r.status_code >= 400 else j.get('state', '')} {str(j.get('detail'))[:90]} {str(j.get('errors'))[:80]}"
            )
        except BaseException as e:
            print(f"{what:20} EXC {type(e).__name__} {str(e)[:150]}")
    V = f"/api/v1/approvals/{s.approval}/votes"
    d = s.waiting[1].digest
    for what, extra in [
        ("nul comment", {"comment": "a\0"}),
        ("sur comment", {"comment": "a\ud800"}),
        ("nul reason_code", {"reason_code": "a\0"}),
        ("long comment", {"comment": "a" * 4001}),
        ("sur rc", {"reason_code": "\ud800"}),
        ("digest list", {"digest": [d]}),
        ("digest nl", {"digest": d + "\n"}),
        ("verdict sur", {"verdict": "\ud800"}),
    ]:
        body = json.dumps({"verdict": "approve", "digest": d, **extra})
        r = undone(lambda: dana.generic("POST", V, body, content_type="application/json"))
        print("vote", what, r.status_code, r.json().get("code"), str(r.json().get("errors"))[:100])
    dp = sign_in("dana")
    op = sign_in("omar")
    for what, extra in [
        ("nul comment", {"comment": "a\0"}),
        ("nul digest", {"digest": "\0"}),
        ("nul rc", {"reason_code": "\0"}),
    ]:
        r = undone(
            lambda: dp.post(
                f"/inbox/{s.approval}/vote/", {"verdict": "reject", "reason_code": "other", "digest": d, **extra}
            )
        )
        print("page vote", what, r.status_code)
    for extra in [
        {"reason": "a\0"},
        {"scope": "agent:wr\0"},
        {"scope": "\0"},
        {"scope": "agent:" + "x" * 200},
        {"scope": "tool:\0"},
    ]:
        r = undone(
            lambda: op.post("/halts/", {"scope": "agent:writer", "mode": "hold", "reason_code": "drill", **extra})
        )
        print("page halt", extra, r.status_code)
    for u in [
        "/runs/?q=%00",
        "/runs/?q=a%00b",
        "/runs/?state=%00",
        "/audit/?subject=%00",
        "/audit/?actor=%00",
        "/audit/?code=%00",
        "/audit/?run=%00",
        "/audit/?run=x",
        "/inbox/?after=%00",
        "/inbox/?after=x",
        "/inbox/?view=%00",
        "/halts/new/?scope=agent:%00",
        "/halts/new/?scope=tool:%00",
        "/halts/new/?environment=%00",
        "/halts/?after=%00",
        "/runs/?after=WyJhIl0",
        "/inbox/?after=WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwgIjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwIl0",
        "/runs/?q=%ff",
        "/halts/new/?scope=agent:writer&scope=%00",
    ]:
        r = undone(lambda: op.get(u))
        print("page", u, r.status_code)
    oa = api("omar")
    for u in [
        "/api/v1/runs?business_key=%00",
        "/api/v1/runs?cursor=%00",
        "/api/v1/runs?cursor=x",
        "/api/v1/runs?limit=0",
        "/api/v1/runs?limit=201",
        "/api/v1/runs?limit=-1",
        "/api/v1/runs?limit=abc",
        "/api/v1/runs?limit=1e3",
        "/api/v1/runs?limit=%D9%A1",
        "/api/v1/runs?limit=99999999999999999999",
        "/api/v1/runs?limit=0000001",
        "/api/v1/runs?limit=2000000",
        "/api/v1/approvals?view=%00",
        "/api/v1/agents/%00",
        "/api/v1/agents/a%00b",
        "/api/v1/halts?in_force=%00",
        "/api/v1/halts?in_force=maybe",
        "/api/v1/tool-calls?cursor=WzFd",
        "/api/v1/approvals?cursor=WyIyMDI2LTExLTIwVDAwOjAwOjAwIiwiMSJd",
        f"/api/v1/tool-calls/{s.call}?wait=-1",
        f"/api/v1/tool-calls/{s.call}?wait=nan",
        f"/api/v1/tool-calls/{s.call}?wait=x",
        "/api/v1/nothing",
        "/api/v2/",
        "/api/",
        "/api/v1/runs/",
        "/api/v1/runs/not-a-uuid",
        "/api/v1/tokens?cursor=MQ",
    ]:
        r = undone(lambda: oa.get(u))
        print("api", u, r.status_code, r.json().get("code") if r.status_code >= 400 else "", r["Content-Type"])
    for ct, body in [
        ("text/plain", "{}"),
        ("application/x-www-form-urlencoded", "tool=x"),
        ("multipart/form-data; boundary=x", "--x--"),
        ("application/xml", "<a/>"),
        ("application/json; charset=utf-16", "{}".encode("utf-16")),
        ("application/json; charset=nonsense", "{}"),
        ("", "{}"),
        ("application/merge-patch+json", "{}"),
    ]:
        r = undone(lambda: w.generic("POST", T, body, content_type=ct))
        print("ctype", ct, r.status_code, r.json())
    r = undone(
        lambda: w.generic("POST", T, b'{"a":"' + b"x" * 2 * 1024 * 1024 + b'"}', content_type="application/json")
    )
    print("2MB", r.status_code, r.json()["code"], r["Content-Type"])
    r = undone(
        lambda: w.generic(
            "POST", T, b'{"a":"' + b"x" * 2 * 1024 * 1024 + b'"}', content_type="application/json", CONTENT_LENGTH=""
        )
    )
    print("2MB no length", r.status_code, r.json()["code"])
    for a in ["application/xml", "text/html", "*/*;q=0"]:
        r = undone(lambda: w.get("/api/v1/runs", HTTP_ACCEPT=a))
        print("accept", a, r.status_code, r["Content-Type"], r.content[:80])
    from rest_framework.test import APIClient

    for h in [
        "Bearer nonsense",
        "Bearer mca_x",
        "Bearer",
        "Bearer ",
        "Basic abc",
        "bearer mca_" + "x" * 5000,
        "Bearer mcp_\x00",
        "Token x",
        "Bearer mca_a.b:c",
        "Bearer mca_\xe9",
        "Bearer \u20ac",
    ]:
        c = APIClient(raise_request_exception=False)
        try:
            r = undone(lambda: c.get("/api/v1/runs", HTTP_AUTHORIZATION=h))
            print("auth", repr(h[:30]), r.status_code, r.json()["code"], r.headers.get("WWW-Authenticate"))
        except Exception as e:
            print("auth", h[:20], "EXC", e)
    for body in [
        b"grant_type=client_credentials&client_id=a&client_secret=b",
        b"grant_type=%00",
        b"grant_type=client_credentials&client_id=%00&client_secret=b",
        b"grant_type=client_credentials&client_id=%ff&client_secret=%ff",
        b"a=1&" * 2000,
    ]:
        r = undone(
            lambda: APIClient(raise_request_exception=False).generic(
                "POST", "/oauth/token", body, content_type="application/x-www-form-urlencoded"
            )
        )
        print("oauth", body[:50], r.status_code, r.content[:120])
