"""What every template promises: it says what it needs, and it runs under a policy without inline style or script."""

import re
from pathlib import Path

import pytest
from django.template.loader import get_template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))

FORBIDDEN = {
    "a style attribute": r"\sstyle\s*=",
    "a style element": r"<style\b",
    "an inline handler": r"\son\w+\s*=|\shx-on[:-]",
    "an inline script": r"<script(?![^>]*\bsrc=)[^>]*>",
    "a javascript: address": r"javascript:|hx-(?:vals|vars|headers)='?js:",
    "something from another server": r"(?:src|href)=[\"']?(?:https?:)?//",
    "a trigger filter, which htmx evaluates": r"hx-trigger=\"[^\"]*\[",
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT / "templates"))


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_first_line_says_what_it_needs_and_who_uses_it(path: Path) -> None:
    first = path.read_text().split("\n", 1)[0]
    assert re.fullmatch(r"\{# .+ #\}", first), first
    assert "Used by:" in first


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_nothing_inline(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", path.read_text())
    for what, pattern in FORBIDDEN.items():
        assert not re.search(pattern, text), what


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_it_compiles(path: Path) -> None:
    get_template(name(path))
