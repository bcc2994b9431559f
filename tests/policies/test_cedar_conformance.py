"""Cedar's own integration requests, with texts split, parsed and asked the way a release is."""

import json

import pytest
from cedarpy import Entities, PolicySet, Schema, is_authorized, policies_to_json_str

from apps.policies.cedar_text import parse_error, statements
from tests.policies.builders import SHARED

ROOT = SHARED / "data" / "cedar"


def requests():
    for path in sorted((ROOT / "tests").glob("*/*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        for number, request in enumerate(case["requests"]):
            yield pytest.param(case, request, id=f"{path.parent.name}-{path.stem}-{number}")


CASES = list(requests())
needs_cases = pytest.mark.skipif(not CASES, reason="Cedar's integration tests are not beside this checkout")


@needs_cases
def test_all_requests_are_here():
    assert len(CASES) == 74


@needs_cases
@pytest.mark.parametrize(("case", "request_"), CASES)
def test_cedar_answers_as_its_authors_say(case, request_):
    text = (ROOT / case["policies"]).read_text(encoding="utf-8")
    found = statements(text)
    parsed = json.loads(policies_to_json_str(text))
    assert len(found) == len(parsed["staticPolicies"]) + len(parsed["templates"])
    assert [parse_error(statement) for statement in found] == [None] * len(found)
    schema = Schema.from_str((ROOT / case["schema"]).read_text(encoding="utf-8"))
    entities = Entities.from_json_str((ROOT / case["entities"]).read_text(encoding="utf-8"), schema)
    asked = {key: request_[key] for key in ("principal", "action", "resource")}
    asked["context"] = json.dumps(request_["context"])
    result = is_authorized(asked, PolicySet.from_str(text), entities, schema)
    assert result.decision.value.lower() == request_["decision"]
    assert sorted(result.diagnostics.reasons) == sorted(request_["reason"])
    assert len(result.diagnostics.errors) == len(request_["errors"])
