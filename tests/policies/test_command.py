"""`manage policy`: plain files, the same services, the same four eyes."""

import json

import pytest
from django.core.management import CommandError, call_command

from apps.policies.models import ActiveRelease, PolicyDraft, ReleaseRequest
from tests.policies.reviewing import SET, limit, voted
from tests.world import PARAMETERS, POLICY

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(world, capsys):
    def command(act: str, directory, *more: str, who: str = "alex") -> str:
        call_command("policy", act, str(directory), "--set", SET, "--as", who, *more)
        return str(capsys.readouterr().out)

    return command


@pytest.fixture
def files(tmp_path):
    (tmp_path / "policy.cedar").write_text(POLICY)
    (tmp_path / "parameters.json").write_text(json.dumps(limit("750.00")))
    (tmp_path / "tests.yaml").write_text(
        "- name: Small ones need nobody\n"
        '  call: {tool: erp.issue_credit_memo, amount: "600.00", currency: EUR}\n'
        "  expect: {outcome: allow, policies: [credit-alone]}\n"
    )
    return tmp_path


def test_files_are_tried(run, files):
    out = run("test", files)
    assert "ok   Small ones need nobody: allow, by credit-alone" in out
    assert "Ready for review: 1 test cases as expected." in out


def test_files_that_fail_fail(run, files, capsys):
    (files / "parameters.json").write_text(json.dumps(PARAMETERS))
    with pytest.raises(CommandError, match=r"This could not be released\."):
        run("test", files)
    assert "FAIL Small ones need nobody: Expected allow" in capsys.readouterr().out
    (files / "policy.cedar").write_text(POLICY.replace("permit", "permitt", 1))
    with pytest.raises(CommandError):
        run("test", files)
    assert "line 3: " in capsys.readouterr().err


def test_what_files_change_is_told_in_sentences(run, files):
    out = run("diff", files)
    assert "Changed 2 rules, changed 1 parameter." in out
    assert "  - Credit memos up to €500.00 need nobody.\n  + Credit memos up to €750.00 need nobody." in out


def test_a_release_from_the_command_line_asks_and_changes_nothing_by_itself(run, files):
    out = run("release", files, "--message", "From the repository")
    request = ReleaseRequest.objects.get()
    assert str(request.id) in out
    assert "it waits for one of Finance approvers" in out
    assert ActiveRelease.objects.get(policy_set__slug=SET, environment="production").release.version == 1
    request = voted(request)
    assert (request.release.version, request.release.parameters, len(request.release.cases)) == (2, limit("750.00"), 1)


@pytest.mark.parametrize("who", ["dana", "omar", "chen"])
def test_who_may_not_write_may_not_release(run, files, who):
    with pytest.raises(CommandError, match="You may not change policies in Order to cash"):
        run("release", files, "--message", "x", who=who)
    with pytest.raises(CommandError, match="no such set"):
        run("test", files, who="otto")
    assert not ReleaseRequest.objects.exists()


def test_a_release_that_cannot_be_sent_leaves_no_draft_open(run, files):
    (files / "tests.yaml").unlink()
    (files / "parameters.json").write_text(json.dumps(limit("6000.00")))
    with pytest.raises(CommandError, match="contradict each other"):
        run("release", files, "--message", "x")
    assert [draft.state for draft in PolicyDraft.objects.all()] == ["discarded"]


def test_what_is_written_out_is_read_in_again(run, files, tmp_path):
    run("release", files, "--message", "First")
    voted(ReleaseRequest.objects.get())
    run("export", tmp_path / "out")
    assert "Changed nothing." in run("diff", tmp_path / "out")
    assert "1 test cases as expected" in run("test", tmp_path / "out")
    assert "€750.00 → €500.00" in run("diff", _older(run, tmp_path))


def _older(run, tmp_path):
    run("export", tmp_path / "old", "--version-number", "1")
    return tmp_path / "old"


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("policy.cedar", None, "There is no policy.cedar"),
        ("parameters.json", "{", "parameters.json is not JSON"),
        ("parameters.json", "[]", "not an object"),
        ("tests.yaml", "- {", "tests.yaml is not YAML"),
        ("tests.yaml", "- name: x", "tests.yaml/0"),
        ("tests.json", "[]", "keep one of them"),
        ("tests.yaml", "!!python/object/apply:os.getcwd []", "tests.yaml is not YAML"),
    ],
)
def test_files_that_cannot_be_read_are_named(run, files, name, text, sentence):
    path = files / name
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(CommandError, match=sentence.replace(".", r"\.")):
        run("test", files)


def test_in_an_emergency_it_decides_at_once_and_only_for_who_may(run, files):
    more = ("--message", "From the repository", "--emergency", "--reason", "Every refund fails")
    with pytest.raises(CommandError, match="release policies alone"):
        run("release", files, *more)
    assert ActiveRelease.objects.get(policy_set__slug=SET).release.version == 1
    with pytest.raises(CommandError, match="Say why"):
        run("release", files, *more[:3], who="priya")
    assert not PolicyDraft.objects.filter(state="open").exists()
    assert "It decides from now on. Its review is due" in run("release", files, *more, who="priya")
    assert ActiveRelease.objects.get(policy_set__slug=SET).release.message == "Every refund fails"
