"""The stylesheets keep their rules: layers, tokens, no stray colour, no class that nobody sets or nothing styles."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CSS = ROOT / "static" / "css"
SCRIPTS = sorted((ROOT / "static" / "js").rglob("*.js"))
# Loaded by the timeline alone, which draws fifty thousand rows by itself.
OF_TIMELINE = [path for path in SCRIPTS if path.parent.name == "timeline"]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SHEETS = sorted(CSS.rglob("*.css"))

# Set by a script or by htmx, or standing in markup that Python writes; nothing in the templates spells them out.
SET_ELSEWHERE = {
    "htmx-request",  # htmx, on what is asking
}
# Written for pages that are still to come. When one is used, take it off the list.
PLANNED = {
    *("skeleton", "list--inset", "pagehead__meta", "box--good"),
    *("sentence__bad", "sentence__good", "sentence__wait", "shell__aside"),
}
# In markup only to be found by scripts or tests, styled by nobody.
UNSTYLED: set[str] = set()

KIB = 1024
SCRIPT_BUDGET_BYTES = 28 * KIB
SCRIPT_LINES = 80
TIMELINE_BUDGET_BYTES = 32 * KIB
TIMELINE_LINES = 400


def without_comments(path: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)


def rules() -> str:
    return "\n".join(without_comments(path) for path in SHEETS)


def classes_in_css() -> set[str]:
    selectors = re.sub(r"\{[^{}]*\}", "{}", rules())
    selectors = re.sub(r'url\("[^"]*"\)', "", selectors)
    return set(re.findall(r"\.(-?[a-zA-Z_][\w-]*)", selectors))


def class_attributes() -> list[tuple[Path, str]]:
    found = []
    for path in TEMPLATES:
        text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
        # a tag inside the value may hold quotes of its own
        value = r'class="((?:[^"{]|\{\{.*?\}\}|\{%.*?%\}|\{)*)"'
        found += [(path, attribute) for attribute in re.findall(value, text)]
        # a page adds to its frame's classes through a block named …_class
        found += [(path, attribute) for attribute in re.findall(r"{% block \w+_class %}([^{]*){% endblock %}", text)]
    return found


def classes_in_templates() -> tuple[dict[str, Path], set[str]]:
    """The classes spelled out, and the beginnings of those a template completes (`tag--{{ tone }}`)."""
    whole: dict[str, Path] = {}
    beginnings = set()
    for path, attribute in class_attributes():
        beginnings |= set(re.findall(r"([\w-]+)\{\{", attribute))
        literal = re.sub(r"[\w-]*\{\{.*?\}\}[\w-]*", " ", attribute)
        # {% if %} joins nothing to its neighbours, {% block %} may begin with a space
        literal = re.sub(r"\{%.*?%\}", " ", literal)
        for name in literal.split():
            if name.endswith("--"):
                beginnings.add(name)
            else:
                whole.setdefault(name, path)
    return whole, beginnings


def test_app_css_imports_every_sheet_into_its_layer() -> None:
    text = (CSS / "app.css").read_text()
    imported = dict(re.findall(r'@import url\("([^"]+)"\) layer\((\w+)\);', text))
    expected = {
        str(path.relative_to(CSS)): "components" if path.parent.name == "components" else path.stem
        for path in SHEETS
        if path.name != "app.css"
    }
    assert imported == expected
    assert "@layer reset, tokens, base, layout, components, utilities;" in text


def test_every_custom_property_used_is_defined() -> None:
    text = rules()
    defined = set(re.findall(r"(--[\w-]+):", text))
    # var(--name, fallback) may stay undefined: that is what the fallback is for
    needed = set(re.findall(r"var\((--[\w-]+)\)", text))
    assert needed - defined == set()


def test_every_token_is_used() -> None:
    text = rules()
    defined = set(re.findall(r"(--[\w-]+):", without_comments(CSS / "tokens.css")))
    used = set(re.findall(r"var\((--[\w-]+)", text))
    assert defined - used == set()


@pytest.mark.parametrize("sheet", [path for path in SHEETS if path.name != "tokens.css"], ids=lambda path: path.name)
def test_colours_are_written_in_tokens_only(sheet: Path) -> None:
    values = "\n".join(re.findall(r":\s*([^;{}]+);", without_comments(sheet)))
    literal = re.compile(
        r"#[0-9a-fA-F]{3,8}\b|\b(?:rgba?|hsla?|oklch|oklab|lch|lab|hwb|color)\(|\b(?:white|black|red)\b"
    )
    assert literal.findall(values) == []


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_sides_are_logical_and_ids_are_left_alone(sheet: Path) -> None:
    text = without_comments(sheet)
    physical = r"^\s*(?:(?:margin|padding|border)-(?:left|right|top|bottom)|left|right|top|bottom|width|height)\s*:"
    assert re.findall(physical, text, flags=re.MULTILINE) == []
    selectors = re.sub(r"\{[^{}]*\}", "{}", text)
    assert re.findall(r"#[a-zA-Z][\w-]*", selectors) == []


def test_every_class_styled_is_set_somewhere() -> None:
    whole, beginnings = classes_in_templates()
    written_by_code = "\n".join(
        path.read_text() for path in [*SCRIPTS, ROOT / "apps" / "console" / "templatetags" / "mesh.py"]
    )
    idle = {
        name
        for name in classes_in_css() - set(whole) - SET_ELSEWHERE - PLANNED
        if not any(beginning and name.startswith(beginning) for beginning in beginnings if beginning.endswith("-"))
        and not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", written_by_code)
        and not (name.startswith("icon--") and "icon--{size}" in written_by_code)
    }
    assert idle == set()


def test_every_class_set_is_styled() -> None:
    whole, _ = classes_in_templates()
    unknown = {name: str(path.relative_to(ROOT)) for name, path in whole.items()}
    for name in classes_in_css() | SET_ELSEWHERE | UNSTYLED:
        unknown.pop(name, None)
    assert unknown == {}


def test_scripts_stay_small_and_simple() -> None:
    everywhere = [path for path in SCRIPTS if path not in OF_TIMELINE]
    assert sum(path.stat().st_size for path in everywhere) <= SCRIPT_BUDGET_BYTES
    assert sum(path.stat().st_size for path in OF_TIMELINE) <= TIMELINE_BUDGET_BYTES
    for path in SCRIPTS:
        text = path.read_text()
        assert text.count("\n") < (TIMELINE_LINES if path in OF_TIMELINE else SCRIPT_LINES), path.name
        forbidden = r"\beval\(|new Function|^\s*import\b|innerHTML|document\.write|\.style\b|setAttribute\(\"style\""
        assert not re.search(forbidden, text, flags=re.MULTILINE), path.name
