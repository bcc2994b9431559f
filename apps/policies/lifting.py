"""A decision with exceptions. Pure.

It is made without them first, and again, with the rules they name lifted, only where the first answer was no or asks
people: a named forbid is taken out, a named permit asks nobody. Everything else speaks as it does. What cannot be
undone keeps what its permits ask.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from apps.core.memory import BoundedCache
from apps.policies.cedar_text import Statement, Token, statements
from apps.policies.exceptions import PREFIX, SET, ExceptionFacts
from apps.policies.verdicts import CallFacts, PolicyRef, ReleaseRef, Verdict

# What a permit asks of people.
DEMANDS = frozenset({"approval", "expires", "escalate"})
MILDER = {"allow": 0, "require_approval": 1, "deny": 2}


class Release(Protocol):
    """A release that can be read again with another text."""

    @property
    def ref(self) -> ReleaseRef: ...
    @property
    def problem(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def stored_parameters(self) -> Mapping[str, Any]: ...


R = TypeVar("R", bound=Release)

_lifted: BoundedCache[tuple[ReleaseRef, frozenset[str], bool], Any] = BoundedCache(200)


def excepted(
    facts: CallFacts,
    releases: Sequence[R],
    plain: Verdict,
    *,
    decide: Callable[[CallFacts, Sequence[R]], Verdict],
    load: Callable[[ReleaseRef, str, dict[str, Any]], R],
) -> Verdict:
    """The verdict with what these exceptions lift, which names those that took part; `plain` where they change nothing.
    `plain` is the verdict without them, `decide` makes one without them, `load` makes a text ready under its reference.
    """
    keeps_demands = facts.tool.is_irreversible
    covering = [one for one in facts.exceptions if any(one.covers(facts, release.ref) for release in releases)]
    if plain.outcome == "allow" or not covering:
        return plain
    lifted = [_without(release, _rules(covering, release.ref), keeps_demands, load) for release in releases]
    verdict = decide(facts, lifted)
    if not _is_milder(verdict, plain):
        return plain
    spoke = {*_named(plain.policies), *(() if keeps_demands else _named(verdict.policies))}
    used = [one for one in covering if any((one.set, rule) in spoke for rule in one.rules)]
    if not used:
        return plain
    names = tuple(PolicyRef(f"{PREFIX}{one.id}", SET, 1, one.says) for one in used)
    return replace(verdict, policies=(*verdict.policies, *names), releases=plain.releases)


def lifted_text(text: str, rules: Collection[str], *, keeps_demands: bool = False) -> str:
    """The text without the forbids of these ids, and with permits of these ids that ask nobody."""
    kept = []
    for statement in statements(text):
        name, effect = _head(statement)
        if name not in rules or (effect == "permit" and keeps_demands):
            kept.append(statement.text)
        elif effect == "permit":
            kept.append(_without_demands(statement))
    return "\n".join(kept)


def _rules(covering: Collection[ExceptionFacts], release: ReleaseRef) -> frozenset[str]:
    mine = (one for one in covering if (one.set, one.content_hash) == (release.set, release.content_hash))
    return frozenset(rule for one in mine for rule in one.rules)


def _without(
    release: R,
    rules: frozenset[str],
    keeps_demands: bool,
    load: Callable[[ReleaseRef, str, dict[str, Any]], R],
) -> R:
    """The release with these rules lifted: loaded like any other, from a text that was never released."""
    if not rules or release.problem:
        return release
    key = (release.ref, rules, keeps_demands)
    known: R | None = _lifted.get(key)
    if known is not None:
        return known
    text = lifted_text(release.text, rules, keeps_demands=keeps_demands)
    made = load(release.ref, text, dict(release.stored_parameters))
    _lifted.put(key, made)
    return made


def _is_milder(verdict: Verdict, plain: Verdict) -> bool:
    """Lifting only takes away, so whatever is not the same asks for less."""
    before, after = MILDER[plain.outcome], MILDER[verdict.outcome]
    return after < before or (
        after == before == MILDER["require_approval"] and verdict.obligations != plain.obligations
    )


def _named(policies: Collection[PolicyRef]) -> Iterator[tuple[str, str]]:
    return ((policy.set, policy.id) for policy in policies)


def _head(statement: Statement) -> tuple[str, str]:
    """The id of a policy and its effect."""
    name = ""
    for annotation, value, _ in _annotations(statement):
        if annotation == "id":
            name = value
    effect = next((token.text for token in statement.tokens if token.text in ("permit", "forbid")), "")
    return name, effect


def _annotations(statement: Statement) -> Iterator[tuple[str, str, tuple[Token, Token]]]:
    """(name, text, first and last token) of each annotation, which all stand before the effect."""
    tokens = statement.tokens
    at = 0
    while at < len(tokens) and tokens[at].text == "@":
        if at + 2 < len(tokens) and tokens[at + 2].text == "(":
            yield tokens[at + 1].text, tokens[at + 3].text[1:-1], (tokens[at], tokens[at + 4])
            at += 5
        else:
            yield tokens[at + 1].text, "", (tokens[at], tokens[at + 1])
            at += 2


def _without_demands(statement: Statement) -> str:
    text, begin = statement.text, statement.offset
    for name, _, (first, last) in reversed(list(_annotations(statement))):
        if name in DEMANDS:
            text = text[: first.offset - begin] + text[last.end - begin :]
    return text
