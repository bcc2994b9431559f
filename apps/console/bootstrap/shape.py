"""The shape of a bootstrap file, as JSON Schema. Tools have theirs in `apps.registry.definitions`."""

from apps.budgets.models import Measure, RateScope, Scope, Window
from apps.registry.models import Environment
from apps.registry.permissions import ROLES
from apps.registry.schemas import Schema, closed_object, compile_schema
from apps.retention.models import Content
from apps.retention.services.rules import MOST_DAYS

MAX_TIMEOUT_SECONDS = 300
# What the API takes, too.
MAX_UNDO_SECONDS = 60
MAX_VOTES_PER_HOUR = 100_000


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _text(most: int) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": most}


SLUG: Schema = {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$", "maxLength": 50}
NAME = _text(120)
TIME_ZONE = _text(60)
POSITIVE: Schema = {"type": "number", "exclusiveMinimum": 0}
ENVIRONMENT: Schema = {"enum": Environment.values}
TIME_OF_DAY: Schema = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}

TEAM = closed_object(("slug", "name"), slug=SLUG, name=NAME)

LIMIT = closed_object(
    ("currency", "amount", "reason"),
    team=SLUG,
    person=_text(150),
    currency={"type": "string"},
    amount={"type": "string"},
    reason=_text(300),
)

APPROVALS = closed_object(
    (),
    sla={"type": ["string", "null"]},
    work_days={**_list({"type": "integer", "minimum": 0, "maximum": 6}), "minItems": 1, "uniqueItems": True},
    work_hours={**_list(TIME_OF_DAY), "minItems": 2, "maxItems": 2},
    holidays={"type": "string", "maxLength": 12},
    counts_twice={"type": "boolean"},
    undo_seconds={"type": "integer", "minimum": 0, "maximum": MAX_UNDO_SECONDS},
    step_up={"type": "object", "additionalProperties": {"type": "string"}},
    votes_per_hour={"type": ["integer", "null"], "minimum": 1, "maximum": MAX_VOTES_PER_HOUR},
    second_look_percent={"type": "number", "minimum": 0, "maximum": 100},
    second_look_team={"type": ["string", "null"]},
    limits=_list(LIMIT),
)

PROCESS = closed_object(
    ("slug", "name", "owner_team", "oncall_team"),
    slug=SLUG,
    name=NAME,
    business_unit={"type": "string", "pattern": "^[-a-zA-Z0-9_]*$", "maxLength": 50},
    owner_team=SLUG,
    oncall_team=SLUG,
    time_zone=TIME_ZONE,
    currencies=_list({"type": "string"}),
    run_time_budget={"type": ["string", "null"]},
    approvals=APPROVALS,
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
    consecutive_failures={"type": "integer", "minimum": 1},
    most_queued={"type": "integer", "minimum": 0},
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

DATA_CLASS = closed_object(
    ("data_class", "roles"),
    data_class={"type": "string", "pattern": "^[-a-zA-Z0-9_]+$", "maxLength": 40},
    process={"type": ["string", "null"]},
    roles={**_list({"enum": list(ROLES)}), "uniqueItems": True},
)

BUDGET = closed_object(
    ("scope", "environment", "measure", "window", "cap", "reason"),
    scope=closed_object(("type",), type={"enum": Scope.values}, id=_text(120)),
    environment=ENVIRONMENT,
    measure={"enum": Measure.values},
    currency={"type": "string"},
    window={"enum": Window.values},
    cap={"type": ["string", "integer"]},
    estimate={"type": ["string", "integer"]},
    reason=_text(300),
)

RATE = closed_object(
    ("scope", "environment", "capacity", "refill_per_second", "reason"),
    scope=closed_object(("type", "id"), type={"enum": RateScope.values}, id=_text(120)),
    environment=ENVIRONMENT,
    capacity={"type": "integer"},
    refill_per_second={"type": "number"},
    reason=_text(300),
)

RETENTION = closed_object(
    ("content", "days"),
    content={"enum": Content.values},
    data_class={"type": "string", "pattern": "^[-a-zA-Z0-9_]+$", "maxLength": 40},
    process={"type": ["string", "null"]},
    days={"type": "integer", "minimum": 1, "maximum": MOST_DAYS},
)

AMOUNT: Schema = {"type": "string", "pattern": "^[0-9]{1,6}(\\.[0-9]{1,6})?$"}
MODEL_PRICE = closed_object(
    ("model", "currency", "input", "output", "effective_from"),
    model=_text(120),
    provider={"type": "string", "maxLength": 60},
    currency={"type": "string"},
    input=AMOUNT,
    output=AMOUNT,
    cached_input={**AMOUNT, "type": ["string", "null"]},
    effective_from={"type": "string"},
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
    data_classes=_list(DATA_CLASS),
    retention=_list(RETENTION),
    budgets=_list(BUDGET),
    rates=_list(RATE),
    model_prices=_list(MODEL_PRICE),
)
VALIDATOR = compile_schema(SHAPE)
