"""The documents: links lead somewhere, commands and URLs exist, examples are valid, tables name what the code has."""

import json
import re
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest
import yaml
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from apps.console.bootstrap import shape
from apps.console.bootstrap.document import document_problems
from apps.console.bootstrap.load import load
from apps.core.actor import system_actor
from apps.core.errors import Invalid
from apps.gateway.models import CallState
from apps.policies.cases import SHAPE as CASES
from apps.policies.cases import case_problems
from apps.policies.checking import Ground, check
from apps.policies.lint import Code
from apps.policies.merging import DraftContent
from apps.policies.models import PolicySet
from apps.policies.queries import ground_of
from apps.policies.reading import read_set
from apps.policies.sentences import sentences_of
from apps.policies.services import validate_policies
from apps.registry.definitions import SHAPE as TOOL
from apps.registry.permissions import ROLES
from meshconsole.local.launch import USAGE
from tests.access.routes import all_routes

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("README.md")])

FENCE = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
COMMAND = re.compile(r"\./console((?: +[^\s`|&;)(]+)*)")
ROW = re.compile(r"^\| (\**)`(?P<key>[^`]+)`\1", re.MULTILINE)
# In a command line: a name in capitals, or anything of the shell's, stands for what the reader puts there.
ANYTHING = re.compile(r"[A-Z]+|…|.*[$\"'].*")
# Pages of other projects that ours may point to, and hosts nobody can have or that are this machine.
HOSTS = {"docs.cedarpolicy.com", "localhost", "127.0.0.1"}
RESERVED = re.compile(r"(.*\.)?example\.(com|org|net)")
MACHINE_PATHS = re.compile(r"(?<![\w.:/-])/(?:root|home|work|tmp|mnt|opt|usr|var|srv|Users)/[\w.-]+|[A-Z]:\\")
REGISTRIES = re.compile(
    r"pypi\.org|pythonhosted|npmjs|--index-url|--extra-index-url|docker\.io|ghcr\.io|quay\.io", re.I
)

# not `page`: that is a browser's, to pytest-playwright
pages = pytest.mark.parametrize("doc", PAGES, ids=lambda doc: str(doc.relative_to(ROOT)))


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def fences(page: Path | str, kind: str) -> list[str]:
    """The code blocks of this kind."""
    text = text_of(page) if isinstance(page, str) else page.read_text(encoding="utf-8")
    return [match["text"] for match in FENCE.finditer(text) if match["kind"] == kind]


def section(name: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its rank or above."""
    match = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,2}} |^\1 |\Z)", text_of(name), re.M | re.S)
    assert match, f"{name} has no heading “{heading}”"
    return match[2]


def keys(text: str) -> set[str]:
    """What the first column of the tables names."""
    return {match["key"] for match in ROW.finditer(text)}


# --- links ------------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    plain = FENCE.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in HEADING.findall(plain)}


@pages
def test_every_relative_link_leads_somewhere(doc: Path) -> None:
    lost = []
    for match in LINK.finditer(FENCE.sub("", doc.read_text(encoding="utf-8"))):
        target = match["target"]
        if urlsplit(target).scheme:
            continue
        path, _, anchor = target.partition("#")
        found = (doc.parent / path).resolve() if path else doc
        if not found.exists() or not found.is_relative_to(ROOT) or (anchor and anchor not in anchors(found)):
            lost.append(target)
    assert not lost


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        targets = (match["target"].partition("#")[0] for match in LINK.finditer(page.read_text(encoding="utf-8")))
        waiting += [(page.parent / target).resolve() for target in targets if target and "://" not in target]
    assert seen >= set(PAGES)


@pages
def test_no_registry_no_machine_and_no_unknown_host(doc: Path) -> None:
    text = doc.read_text(encoding="utf-8")
    hosts = {urlsplit(url).hostname or "" for url in re.findall(r"\b[a-z+]+://[^\s`\"'<>)]+", text)}
    hosts = {host for host in hosts if "." in host or host == "localhost"}
    assert not {host for host in hosts if host not in HOSTS and not RESERVED.fullmatch(host)}
    assert not REGISTRIES.findall(text)
    assert not MACHINE_PATHS.findall(text)


# --- commands ---------------------------------------------------------------------------------------------------------


def commands() -> list[str]:
    """What stands behind every `./console` that is written down, comments aside."""
    texts = (doc.read_text(encoding="utf-8").replace("\\\n", " ") for doc in PAGES)
    return sorted({match[1].partition("#")[0].strip() for text in texts for match in COMMAND.finditer(text)})


def is_there(command: str) -> bool:
    words = command.split()
    if not words or ANYTHING.fullmatch(words[0]):
        return True
    first, rest = words[0].rstrip(".,:"), words[1:]
    if f"\n  {first} " not in USAGE:
        return False
    following = rest[0].rstrip(".,:") if rest else "…"
    if ANYTHING.fullmatch(following):
        return True
    if first == "manage":
        return following in get_commands()
    if first == "bench":
        return (ROOT / "benchmarks" / f"{following}.py").exists()
    if first == "test":
        return following.startswith("-") or (ROOT / following.partition("::")[0]).exists()
    if first == "up":
        return all(word in USAGE for word in rest if word.startswith("--"))
    return True


@pytest.mark.parametrize("command", commands())
def test_every_command_written_down_exists(command: str) -> None:
    assert is_there(command)


def test_the_check_of_commands_sees_mistakes() -> None:
    assert len(commands()) > 30
    for wrong in ("serve", "manage make_coffee", "bench nothing", "test tests/nowhere", "up --prot 1"):
        assert not is_there(wrong), wrong


# --- URLs -------------------------------------------------------------------------------------------------------------

AN_ID = "00000000-0000-7000-8000-000000000000"
PATH = re.compile(r"/(?:api/|oauth/|healthz|readyz)[^\s`\"'?|,;]*")


def is_a_url(path: str) -> bool:
    path = re.sub(r"\$\([^)]*\)\)?|\$\w+|\{[a-z_]+\}", AN_ID, path)
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


@pages
def test_every_url_written_down_exists(doc: Path) -> None:
    text = doc.read_text(encoding="utf-8")
    texts = [*(match["text"] for match in FENCE.finditer(text)), *CODE.findall(FENCE.sub("", text))]
    # `$(…)` holds blanks, which end a path
    texts = [re.sub(r"\$\([^()]*\)", "$id", part) for part in texts]
    paths = {path.rstrip(".)") for part in texts for path in PATH.findall(part)} - {"/api/v1/", "/api/v1"}
    assert not {path for path in paths if not is_a_url(path)}


def test_the_api_page_has_every_url_of_the_api() -> None:
    found = {
        resolve(re.sub(r"\{[a-z]+\}", AN_ID, path)).route
        for path in PATH.findall(text_of("docs/api.md"))
        if is_a_url(path)
    }
    assert found >= {route for route in all_routes() if route.startswith(("api/", "oauth/", "healthz", "readyz"))}


def test_every_code_on_the_api_page_is_in_the_code() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "apps").rglob("*.py"))
    rows = re.findall(r"^\| \d{3} \| (.+?) \|", section("docs/api.md", "Codes"), re.MULTILINE)
    codes = {code for row in rows for code in CODE.findall(row)}
    assert len(codes) > 50
    assert not {code for code in codes if f'"{code}"' not in source}


# --- tables -----------------------------------------------------------------------------------------------------------


def test_the_gateway_page_has_every_state() -> None:
    assert keys(section("docs/gateway.md", "States")) == set(CallState.values)


SECTIONS: dict[str, dict[str, Any]] = {
    "teams": shape.TEAM,
    "processes": shape.PROCESS,
    "people": shape.PERSON,
    "connectors": shape.CONNECTOR,
    "tools": TOOL,
    "agents": shape.AGENT,
    "grants": shape.GRANT,
    "policies": shape.POLICY,
    "data_classes": shape.DATA_CLASS,
    "retention": shape.RETENTION,
    "budgets": shape.BUDGET,
    "rates": shape.RATE,
    "model_prices": shape.MODEL_PRICE,
}
# Tables beside the section's own.
MORE = {
    "processes": set(shape.APPROVALS["properties"]) | set(shape.LIMIT["properties"]),
    "people": set(ROLES),
    "connectors": set(shape.ENDPOINT["properties"]),
    "tools": set(TOOL["properties"]["request"]["properties"]),
}


def test_the_bootstrap_page_has_every_section() -> None:
    assert set(SECTIONS) == set(shape.SHAPE["properties"])


@pytest.mark.parametrize("name", SECTIONS)
def test_the_bootstrap_page_has_every_key(name: str) -> None:
    text = section("docs/bootstrap.md", name)
    named = {key for row in re.findall(r"^\| (.+?) \|", text, re.MULTILINE) for key in CODE.findall(row)}
    assert named == set(SECTIONS[name]["properties"]) | MORE.get(name, set())
    bold = {match["key"] for match in ROW.finditer(text) if match[1]}
    assert bold >= set(SECTIONS[name]["required"])


def test_the_operations_page_has_every_setting() -> None:
    read = set(re.findall(r"env\.\w+\(\s*\"(\w+)\"", text_of("meshconsole/settings.py")))
    rows = re.findall(r"^\| (.+?) \|", section("docs/operations.md", "Settings"), re.MULTILINE)
    assert {name for row in rows for name in CODE.findall(row)} == read


def test_the_operations_page_has_every_job(settings: Any) -> None:
    assert keys(section("docs/operations.md", "Background jobs")) == set(settings.CELERY_BEAT_SCHEDULE)


# --- examples ---------------------------------------------------------------------------------------------------------


def example() -> Any:
    return next(json.loads(text) for text in fences("docs/bootstrap.md", "json") if '"teams"' in text)


def parameters() -> dict[str, Any]:
    [text] = fences("docs/policies.md", "json")
    return dict(json.loads(text))


@pytest.fixture
def mesh(db: None) -> None:
    """The mesh of the bootstrap page, loaded."""
    load(example(), actor=system_actor("bootstrap"))


@pages
def test_json_on_the_pages_is_json(doc: Path) -> None:
    for text in fences(doc, "json"):
        json.loads(text)


@pytest.mark.django_db
def test_the_bootstrap_example_can_be_loaded_and_loaded_again() -> None:
    assert document_problems(example()) == []
    made = load(example(), actor=system_actor("bootstrap"))
    again = load(example(), actor=system_actor("bootstrap"))
    assert [credential["agent"] for credential in made.credentials] == ["refunds"]
    assert [person["username"] for person in made.people] == ["mira"]
    assert (again.credentials, again.people, again.notes) == ([], [], [])


@pytest.mark.parametrize("name", ["docs/policies.md", "docs/approvals.md"])
def test_every_policy_on_the_pages_may_be_released(mesh: None, name: str) -> None:
    texts = fences(name, "cedar")
    assert texts
    for text in texts:
        validate_policies(policy_set="returns", text=text, parameters=parameters())


def test_the_policies_together_may_be_released(mesh: None) -> None:
    validate_policies(
        policy_set="returns", text="\n".join(fences("docs/policies.md", "cedar")), parameters=parameters()
    )


def test_every_mistake_is_answered_as_the_page_says(mesh: None) -> None:
    wrong, said = fences("docs/policies.md", "cedar refused"), fences("docs/policies.md", "text")
    assert len(wrong) == len(said) > 3
    for text, sentence in zip(wrong, said, strict=True):
        with pytest.raises(Invalid) as refusal:
            validate_policies(policy_set="returns", text=text, parameters=parameters())
        first = refusal.value.details["errors"][0]
        assert f"line {first['line']}: {first['sentence']}" == sentence.strip()


@pytest.fixture
def returns(mesh: None) -> Ground:
    return ground_of(PolicySet.objects.get(slug="returns"))


def whole() -> str:
    return "\n".join(fences("docs/policies.md", "cedar"))


def test_rules_are_said_as_the_page_says(returns: Ground) -> None:
    [shown] = fences("docs/policies.md", "sentences")
    said = sentences_of(read_set(whole(), parameters()), returns.setting)
    assert [f"{line.partition(':')[0]}: {said[line.partition(':')[0]]}" for line in shown.splitlines()] == (
        shown.splitlines()
    )


def test_the_cases_of_the_page_hold_and_its_policies_could_be_reviewed(returns: Ground) -> None:
    [written] = fences("docs/policies.md", "yaml")
    cases = yaml.safe_load(written)
    assert case_problems(cases) == []
    checked = check(DraftContent(whole(), parameters(), tuple(cases)), returns)
    assert (len(checked.results), checked.blocks()) == (3, [])


def test_the_page_has_every_finding_and_every_field_of_a_case() -> None:
    assert keys(section("docs/policies.md", "Hardly meant")) == set(get_args(Code))
    rows = re.findall(r"^\| (.+?) \|", section("docs/policies.md", "Test cases"), re.MULTILINE)
    assert {name for row in rows for name in CODE.findall(row)} == {
        "call.",
        *CASES["items"]["properties"]["call"]["properties"],
    }
