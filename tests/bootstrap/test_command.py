"""`manage bootstrap --file`, as operators and other programs run it."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import User
from apps.audit.models import AuditEntry
from apps.registry.models import Agent
from examples.order_to_cash.bootstrap import document as order_to_cash
from tests.bootstrap.documents import changed, small
from tests.conftest import person

pytestmark = pytest.mark.usefixtures("world")
SHARED_EXAMPLE = Path(__file__).resolve().parents[3] / "shared" / "bootstrap-example.json"


def run(file: Path | str) -> tuple[list[str], str]:
    """(lines of standard output, standard error)."""
    out, err = io.StringIO(), io.StringIO()
    call_command("bootstrap", "--file", str(file), stdout=out, stderr=err)
    return out.getvalue().splitlines(), err.getvalue()


def written(tmp_path: Path, document: Any) -> Path:
    file = tmp_path / "mesh.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def test_the_last_line_has_the_secrets_of_this_run_and_of_no_other(tmp_path: Path) -> None:
    file = written(tmp_path, small())
    made = json.loads(run(file)[0][-1])
    assert [entry.keys() for entry in made["credentials"]] == [{"agent", "client_id", "client_secret"}]
    assert [entry.keys() for entry in made["people"]] == [{"username", "password"}]
    assert person("tess").check_password(made["people"][0]["password"])
    assert json.loads(run(file)[0][-1]) == {"credentials": [], "people": []}


def test_a_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(small())))
    run("-")
    assert Agent.objects.filter(slug="paymaster").exists()


def test_problems_go_to_standard_error_with_their_pointers_and_the_command_fails(tmp_path: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    file = written(tmp_path, changed("/grants/0/tool", "bank.nothing"))
    with pytest.raises(CommandError) as failure:
        call_command("bootstrap", "--file", str(file), stdout=out, stderr=err)
    assert failure.value.returncode != 0
    assert "Nothing was changed" in str(failure.value)
    assert "/grants/0/tool: There is no tool “bank.nothing”" in err.getvalue()
    assert out.getvalue() == ""
    assert not Agent.objects.filter(slug="paymaster").exists()


@pytest.mark.parametrize("text", ["", "{", '{"teams": NaN}', '{"teams": [], "teams": []}', "[" * 100_000])
def test_what_is_no_sound_json_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mesh.json"
    file.write_text(text)
    with pytest.raises(CommandError):
        run(file)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'{"teams": "\xe4"}'])
def test_what_is_no_utf_8_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mesh.json"
    file.write_bytes(content)
    with pytest.raises(CommandError):
        run(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        run(tmp_path / "nothing.json")


def test_the_shared_example_loads_twice() -> None:
    if not SHARED_EXAMPLE.exists():
        pytest.skip("the example file of the format is not beside this checkout")
    made = json.loads(run(SHARED_EXAMPLE)[0][-1])
    assert [entry["agent"] for entry in made["credentials"]] == ["o2c-writer"]
    log = AuditEntry.objects.count()
    assert json.loads(run(SHARED_EXAMPLE)[0][-1]) == {"credentials": [], "people": []}
    assert AuditEntry.objects.count() == log


def test_the_reference_mesh_loads_twice(tmp_path: Path) -> None:
    file = written(tmp_path, order_to_cash({"erp": 9101, "crm": 9102, "ticketing": 9103}, tmp_path))
    made = json.loads(run(file)[0][-1])
    assert len(made["credentials"]) == Agent.objects.filter(slug__startswith="o2c-").count() > 0
    assert User.objects.filter(email__endswith="@example.com").count() >= 5
    log = AuditEntry.objects.count()
    assert json.loads(run(file)[0][-1]) == {"credentials": [], "people": []}
    assert AuditEntry.objects.count() == log
