"""/api/schema/: valid OpenAPI 3.1 that knows every operation, its refusals and how to sign in."""

import io
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from tests.access.routes import all_routes
from tests.access.table import ROWS

# Signing in is described by the security scheme, the schema is what this is.
NOT_OPERATIONS = {"oauth/token", "api/schema/"}
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema() -> Any:
    """Made as the command line makes it; a warning or an invalid document is an error."""
    out = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    return yaml.safe_load(out.getvalue())


def operations(schema: Any) -> dict[str, Any]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in schema["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def as_openapi(route: str) -> str:
    """`api/v1/runs/<uuid:run_id>` is `/api/v1/runs/{run_id}` there."""
    import re

    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)


def test_it_is_valid_and_of_version_3_1(schema: Any) -> None:
    assert schema["openapi"].startswith("3.1")


def test_it_knows_every_url_of_the_api_and_no_other(schema: Any) -> None:
    routes = {route for route in all_routes() if route.startswith(("api/", "oauth/"))} - NOT_OPERATIONS

    assert set(schema["paths"]) == {as_openapi(route) for route in routes}


def test_it_knows_every_act_of_the_access_table(schema: Any) -> None:
    shapes = {_shape(operation) for operation in operations(schema)}

    assert {_shape(str(row)) for row in ROWS if row.path.startswith("/api/v1/")} == shapes


def _shape(operation: str) -> str:
    """Without the names of ids, which the table chooses for reading and the routes for code."""
    import re

    return re.sub(r"\{\w+\}|(?<=/agents/)\w+|(?<=/versions/)\d+", "*", operation.partition("?")[0])


def test_every_operation_says_how_it_refuses(schema: Any) -> None:
    for name, operation in operations(schema).items():
        problems = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert {"400", "401", "403", "422"} <= problems.keys(), name
        for answer in problems.values():
            assert list(answer["content"]) == ["application/problem+json"], name


def test_it_tells_an_agent_where_to_sign_in(schema: Any) -> None:
    flow = schema["components"]["securitySchemes"]["agentToken"]["flows"]["clientCredentials"]

    assert flow["tokenUrl"] == "/oauth/token"


def test_the_schema_is_what_the_url_serves(schema: Any, client: Any) -> None:
    served = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi"})

    assert served["Content-Type"].startswith("application/vnd.oai.openapi")
    assert yaml.safe_load(served.content) == schema
