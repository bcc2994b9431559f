"""Every word can be read on every ground it stands on, by day and by night (WCAG 2.2 AA)."""

import re
from pathlib import Path

import pytest

from tests.look.contrast import Colour, mixed, ratio, resolve, tinted, tokens

CSS = Path(__file__).resolve().parents[2] / "static" / "css"
TOKENS = tokens((CSS / "tokens.css").read_text())
TINT = float(TOKENS["--tint"].rstrip("%")) / 100
TEXT, GRAPHIC = 4.5, 3.0

WORDS = ("text", "muted", "faint", "accent", "danger", "wait", "good", "policy")
TONES = ("muted", "accent", "danger", "wait", "good", "policy")
GROUNDS = ("page", "surface", "raised", "sunken", "hover")


def colour(name: str, theme: str) -> Colour:
    return resolve(f"--color-{name}", theme=theme, known=TOKENS)


def selected_row(theme: str) -> Colour:
    return mixed(colour("accent", theme), share=0.09, into=colour("raised", theme))


def focused_row(theme: str) -> Colour:
    return mixed(colour("accent", theme), share=0.14, into=colour("raised", theme))


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("word", WORDS)
def test_words_on_plain_grounds(word: str, ground: str, theme: str) -> None:
    assert ratio(colour(word, theme), colour(ground, theme)) >= TEXT


@pytest.mark.parametrize("tone", TONES)
def test_tags_on_every_ground_they_lie_on(tone: str, theme: str) -> None:
    grounds = [colour(name, theme) for name in GROUNDS] + [selected_row(theme), focused_row(theme)]
    for ground in grounds:
        assert ratio(colour(tone, theme), tinted(colour(tone, theme), share=TINT, over=ground)) >= TEXT


@pytest.mark.parametrize("word", ["text", "muted", "faint", "accent", "danger", "wait"])
def test_words_in_the_row_that_is_open_or_has_focus(word: str, theme: str) -> None:
    assert ratio(colour(word, theme), selected_row(theme)) >= TEXT
    assert ratio(colour(word, theme), focused_row(theme)) >= TEXT


@pytest.mark.parametrize("word", ["text", "muted", "danger"])
def test_words_in_the_banner(word: str, theme: str) -> None:
    ground = mixed(colour("danger", theme), share=0.12, into=colour("surface", theme))
    assert ratio(colour(word, theme), ground) >= TEXT


@pytest.mark.parametrize("word", ["text", "faint", "danger"])
def test_words_in_a_failure(word: str, theme: str) -> None:
    ground = mixed(colour("danger", theme), share=0.07, into=colour("raised", theme))
    assert ratio(colour(word, theme), ground) >= TEXT


def test_marked_words(theme: str) -> None:
    ground = tinted(colour("wait", theme), share=0.20, over=colour("raised", theme))
    assert ratio(colour("text", theme), ground) >= TEXT


def test_buttons_filled_with_ink_or_danger(theme: str) -> None:
    assert ratio(colour("on-ink", theme), colour("text", theme)) >= TEXT
    assert ratio(colour("on-danger", theme), colour("danger", theme)) >= TEXT


@pytest.mark.parametrize("ground", ["page", "surface", "raised"])
def test_edges_of_fields_can_be_seen(ground: str, theme: str) -> None:
    assert ratio(colour("control", theme), colour(ground, theme)) >= GRAPHIC


def test_the_shares_used_here_are_the_ones_in_the_stylesheets() -> None:
    components = {path.stem: path.read_text() for path in (CSS / "components").glob("*.css")}
    assert "color-mix(in oklab, var(--color-accent) 9%, var(--color-raised))" in components["list"]
    assert "color-mix(in oklab, var(--color-accent) 14%, var(--color-raised))" in components["list"]
    assert "color-mix(in oklab, var(--color-danger) 12%, var(--color-surface))" in components["banner"]
    assert "color-mix(in oklab, var(--color-danger) 7%, var(--color-raised))" in components["notice"]
    assert re.search(r"mark \{[^}]*var\(--color-wait\) 20%", (CSS / "base.css").read_text())
