"""What is said of a broken text by the API, on the page and of files: a sentence, and never an error of ours."""

import pytest
from django.core.management import CommandError, call_command

from apps.policies import services
from tests.conftest import actor
from tests.policies.broken_texts import REFUSED, many, rule
from tests.policies.reviewing import SET

pytestmark = pytest.mark.django_db
# The others differ from these for the parser alone.
FACES = (
    "10,000 brackets",
    "a list of 4,002",
    "semicolons",
    "1,000 templates",
    "an open text",
    "turned writing",
    "a name that looks like another",
    "1,000 unknown arguments",
)


@pytest.fixture
def draft(world):
    return services.start_draft(actor=actor("alex"), policy_set=SET)


@pytest.mark.parametrize("name", FACES)
def test_the_api_saves_a_broken_text_and_says_what_is_wrong(api, draft, name):
    text, sentence = REFUSED[name]
    url = f"/api/v1/policy-drafts/{draft.id}"
    saved = api("alex").put(url, {"version": 1, "text": text}, format="json")
    assert saved.status_code == 200, saved.content[:300]
    assert saved.json()["check"]["problems"][0]["sentence"].startswith(sentence)
    sent = api("alex").post(f"{url}/send", {"version": 2, "environment": "sandbox"}, format="json")
    assert (sent.status_code, sent.json()["code"]) == (422, "policy.invalid")


@pytest.mark.parametrize("name", FACES)
def test_the_page_shows_a_broken_text_with_what_is_wrong(sign_in, draft, name):
    text, sentence = REFUSED[name]
    client = sign_in("alex")
    url = f"/policies/drafts/{draft.id}/"
    written = {"version": 1, "text": text, "message": "", "cases": "[]"}
    checked = client.post(f"{url}check/", written)
    assert checked.status_code == 200
    assert sentence.split("“")[0][:60] in checked.content.decode()
    services.save_draft(actor=actor("alex"), draft_id=draft.id, version=1, text=text)
    assert client.get(url).status_code == 200
    diff = client.get(f"/policies/{SET}/diff/?from=1&to=draft:{draft.id}")
    assert diff.status_code == 200
    assert client.post(f"{url}add-cases/", {"version": 2}).status_code < 500


@pytest.mark.parametrize("text", ["x" * (512 * 1024 + 1), rule('context.environment == "\ud800"'), "\0"])
def test_what_cannot_be_kept_is_not_saved(api, draft, text):
    answer = api("alex").put(f"/api/v1/policy-drafts/{draft.id}", {"version": 1, "text": text}, format="json")
    assert answer.status_code in (400, 413, 422), answer.content[:300]
    assert answer.json()["code"]
    draft.refresh_from_db()
    assert draft.version == 1


@pytest.mark.parametrize("depth", [2_000, 100_000])
def test_deep_parameters_and_cases_are_refused(api, draft, depth):
    client = api("alex")
    deep = '{"a":' * depth + "1" + "}" * depth
    for field, value in (("parameters", deep), ("cases", f"[{deep}]")):
        body = f'{{"version": 1, "{field}": {value}}}'
        answer = client.put(f"/api/v1/policy-drafts/{draft.id}", body, content_type="application/json")
        assert answer.status_code in (400, 422), (field, answer.content[:300])
        assert answer.json()["code"]


def test_one_kind_of_line_end_is_kept_and_no_mark_in_front(api, draft):
    text = "\ufeff" + rule("true").replace("\n", "\r\n") + "\r// more\n"
    saved = api("alex").put(f"/api/v1/policy-drafts/{draft.id}", {"version": 1, "text": text}, format="json")
    assert saved.json()["text"] == rule("true") + "\n// more\n"


def test_both_changed_a_text_of_templates(draft):
    """A text that Cedar can read and that holds no policies of its own is a clash of texts, and no error."""
    other = services.start_draft(actor=actor("alex"), policy_set=SET)
    services.save_draft(actor=actor("alex"), draft_id=other.id, version=1, text=many(3))
    with pytest.raises(services.drafts.Conflict) as refusal:
        services.save_draft(
            actor=actor("priya"), draft_id=other.id, version=1, text=REFUSED["1,000 templates"][0][:300] + "\n"
        )
    assert refusal.value.code == "policy.draft_stale"
    assert refusal.value.details["rebased"]["clashes"]


@pytest.mark.parametrize("name", ["10,000 brackets", "turned writing", "10,000 short policies"])
def test_files_are_refused_with_line_and_sentence(world, tmp_path, capsys, name):
    text, sentence = REFUSED[name]
    (tmp_path / "policy.cedar").write_text(text, encoding="utf-8")
    with pytest.raises(CommandError):
        call_command("policy", "test", str(tmp_path), "--set", SET, "--as", "alex")
    said = capsys.readouterr().err
    assert said.startswith("line ")
    assert sentence in said


def test_a_file_that_is_no_text_is_refused(world, tmp_path):
    (tmp_path / "policy.cedar").write_bytes(b"\xff\xfe\x00p")
    with pytest.raises(CommandError, match=r"policy\.cedar cannot be read"):
        call_command("policy", "test", str(tmp_path), "--set", SET, "--as", "alex")
