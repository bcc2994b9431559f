"""The first steps of the page on policies, carried out as it says."""

import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.console.bootstrap.load import load
from apps.core.actor import system_actor
from tests.docs.test_docs import example, fences

pytestmark = pytest.mark.django_db
PAGE = "docs/policies.md"


def only(kind: str) -> str:
    [found] = fences(PAGE, kind)
    return found


@pytest.fixture
def rules(db, tmp_path) -> Path:
    load(example(), actor=system_actor("bootstrap"))
    call_command("policy", "export", str(tmp_path), "--set", "returns", "--as", "mira")
    assert {path.name for path in tmp_path.iterdir()} == {"policy.cedar", "parameters.json", "tests.yaml"}
    (tmp_path / "policy.cedar").write_text(only("cedar first"))
    (tmp_path / "parameters.json").write_text(only("json first"))
    (tmp_path / "tests.yaml").write_text(only("yaml first"))
    return tmp_path


@pytest.mark.parametrize("act", ["test", "diff"])
def test_the_first_steps_say_what_the_page_says(rules, capsys, act):
    capsys.readouterr()
    call_command("policy", act, str(rules), "--set", "returns", "--as", "mira")
    said, shown = capsys.readouterr().out, only(f"output {act}")
    print(said)
    assert [line.rstrip() for line in said.splitlines()][: len(shown.splitlines())] == shown.splitlines()


def test_another_threshold_fails_the_cases(rules, capsys):
    (rules / "parameters.json").write_text(only("json first").replace("80.00", "70.00"))
    with pytest.raises(CommandError, match=r"This could not be released\."):
        call_command("policy", "test", str(rules), "--set", "returns", "--as", "mira")
    assert "FAIL Eighty needs nobody: Expected allow" in capsys.readouterr().out


def test_the_steps_are_in_order():
    text = Path(__file__).resolve().parents[2].joinpath(PAGE).read_text(encoding="utf-8")
    section = text.partition("## In ten minutes\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\*\*(\d)\.", section, re.MULTILINE) == list("123456")
