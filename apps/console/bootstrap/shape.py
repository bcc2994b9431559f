"""The shape of a bootstrap file, as JSON Schema. Tools have theirs in `apps.registry.definitions`."""

from apps.registry.models import Environment
from apps.registry.permissions import ROLES
from apps.registry.schemas import Schema, closed_object, compile_schema

MAX_TIMEOUT_SECONDS = 300


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _text(most: int) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": most}


SLUG: Schema = {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$", "maxLength": 50}
NAME = _text(120)
TIME_ZONE = _text(60)
POSITIVE: Schema = {"type": "number", "exclusiveMinimum": 0}
ENVIRONMENT: Schema = {"enum": Environment.values}

TEAM = closed_object(("slug", "name"), slug=SLUG, name=NAME)

PROCESS = closed_object(
    ("slug", "name", "owner_team", "oncall_team"),
    slug=SLUG,
    name=NAME,
    business_unit={"type": "string", "pattern": "^[-a-zA-Z0-9_]*$", "maxLength": 50},
    owner_team=SLUG,
    oncall_team=SLUG,
    time_zone=TIME_ZONE,
    currencies=_list({"type": "string"}),
)

PERSON = closed_object(
    ("username", "email", "name"),
    username={"type": "string", "pattern": "^[A-Za-z0-9_.@+-]+$", "maxLength": 150},
    email=_text(254),
    name=NAME,
    password={"type": ["string", "null"], "minLength": 1, "maxLength": 4096},
    time_zone=TIME_ZONE,
    teams=_list(SLUG),
    roles=_list(closed_object(("role", "process"), role={"enum": list(ROLES)}, process={"type": ["string", "null"]})),
)

AUTH = closed_object(
    ("type",),
    type={"enum": ["none", "bearer", "basic", "header"]},
    name=_text(80),
    secret={"type": "string", "minLength": 1},
)

BREAKER = closed_object(
    (),
    error_rate={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    window_seconds=POSITIVE,
    min_calls={"type": "integer", "minimum": 1},
    cooldown_seconds=POSITIVE,
)

ENDPOINT = closed_object(
    ("base_url",),
    base_url=_text(300),
    auth=AUTH,
    timeout_seconds={**POSITIVE, "maximum": MAX_TIMEOUT_SECONDS},
    allow_private_addresses={"type": "boolean"},
    breaker=BREAKER,
)

CONNECTOR = closed_object(
    ("slug", "name", "environments"),
    slug=SLUG,
    name=NAME,
    kind={"enum": ["http"]},
    environments=closed_object((), **dict.fromkeys(Environment.values, ENDPOINT)),
)

AGENT = closed_object(
    ("slug", "name", "process", "environment", "owner_team", "built_by"),
    slug=SLUG,
    name=NAME,
    process=SLUG,
    environment=ENVIRONMENT,
    owner_team=SLUG,
    built_by=SLUG,
    credential={"type": "boolean"},
)

GRANT = closed_object(
    ("agent", "tool", "reason"),
    agent=SLUG,
    tool={"type": "string"},
    reason=_text(300),
    expires_at={"type": ["string", "null"]},
)

POLICY = closed_object(
    ("set", "environments", "text"),
    set=SLUG,
    environments={**_list(ENVIRONMENT), "minItems": 1},
    parameters={"type": "object"},
    text={"type": "string"},
    message={"type": "string", "maxLength": 300},
)

SHAPE = closed_object(
    (),
    teams=_list(TEAM),
    processes=_list(PROCESS),
    people=_list(PERSON),
    connectors=_list(CONNECTOR),
    tools=_list({"type": "object"}),
    agents=_list(AGENT),
    grants=_list(GRANT),
    policies=_list(POLICY),
)
VALIDATOR = compile_schema(SHAPE)
