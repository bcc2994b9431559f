"""A decision with exceptions. Pure.

It is made without them first, and again, with the rules they name lifted, only where the first answer was no or asks
people: a named forbid is taken out, a named permit asks nobody. Everything else speaks as it does. What cannot be
undone keeps what its permits ask.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from apps.core.canonical import digest
from apps.core.memory import BoundedCache
from apps.policies.cedar_text import statements
from apps.policies.exceptions import PREFIX, SET, ExceptionFacts
from apps.policies.releases import LoadedRelease, Terms
from apps.policies.verdicts import CallFacts, PolicyRef, ReleaseRef, Verdict

MILDER = {"allow": 0, "require_approval": 1, "deny": 2}

_lifted: BoundedCache[tuple[ReleaseRef, frozenset[str], bool], LoadedRelease] = BoundedCache(200)


def excepted(
    facts: CallFacts,
    releases: Sequence[LoadedRelease],
    plain: Verdict,
    decide: Callable[[CallFacts, Sequence[LoadedRelease]], Verdict],
) -> Verdict:
    """The verdict with what these exceptions lift, which names those that took part; `plain` where they change nothing.
    `plain` is the verdict without them, and `decide` makes one without them.
    """
    covering = [one for one in facts.exceptions if any(_covers(one, facts, release.ref) for release in releases)]
    if plain.outcome == "allow" or not covering:
        return plain
    keeps_demands = facts.tool.is_irreversible
    verdict = decide(facts, [_without(release, _rules(covering, release.ref), keeps_demands) for release in releases])
    if not _is_milder(verdict, plain):
        return plain
    spoke = {*_named(plain.policies), *(() if keeps_demands else _named(verdict.policies))}
    used = [one for one in covering if any((one.set, rule) in spoke for rule in one.rules)]
    if not used:
        return plain
    names = tuple(PolicyRef(f"{PREFIX}{one.id}", SET, 1, one.says) for one in used)
    return replace(verdict, policies=(*verdict.policies, *names), releases=plain.releases)


def _covers(one: ExceptionFacts, facts: CallFacts, release: ReleaseRef) -> bool:
    """Whether this call, decided under this release, is what the exception was agreed for."""
    return (
        (one.set, one.content_hash) == (release.set, release.content_hash)
        and one.tool == facts.tool.name
        and one.process == facts.process
        and one.agent in ("", facts.agent)
        and _is_within_cap(one, facts)
    )


def _is_within_cap(one: ExceptionFacts, facts: CallFacts) -> bool:
    if one.cap_minor is None:
        return True
    money = facts.money
    return money is not None and money.currency == one.currency and 0 <= money.minor <= one.cap_minor


def _rules(covering: Collection[ExceptionFacts], release: ReleaseRef) -> frozenset[str]:
    mine = (one for one in covering if (one.set, one.content_hash) == (release.set, release.content_hash))
    return frozenset(rule for one in mine for rule in one.rules)


def _without(release: LoadedRelease, rules: frozenset[str], keeps_demands: bool) -> LoadedRelease:
    """The release with these rules lifted, under a hash of its own: what is remembered of the one is not taken for the
    other.
    """
    if not rules or release.problem:
        return release
    key = (release.ref, rules, keeps_demands)
    known = _lifted.get(key)
    if known is not None:
        return known
    named = digest({"of": release.ref.content_hash, "without": sorted(rules), "keeps_demands": keeps_demands})
    terms = (terms if terms.ref.id not in rules else _lift(terms, keeps_demands) for terms in release.terms)
    ref = replace(release.ref, content_hash=named)
    return _lifted.put(key, replace(release, ref=ref, terms=tuple(each for each in terms if each is not None)))


def _lift(terms: Terms, keeps_demands: bool) -> Terms | None:
    """A permit that asks nobody; of a forbid nothing is left."""
    [statement] = statements(terms.source)
    is_forbid = next(token.text for token in statement.tokens if token.text in ("permit", "forbid")) == "forbid"
    if is_forbid:
        return None
    return terms if keeps_demands else replace(terms, demand=None)


def _is_milder(verdict: Verdict, plain: Verdict) -> bool:
    """Lifting only takes away, so whatever is not the same asks for less."""
    before, after = MILDER[plain.outcome], MILDER[verdict.outcome]
    return after < before or (
        after == before == MILDER["require_approval"] and verdict.obligations != plain.obligations
    )


def _named(policies: Collection[PolicyRef]) -> Iterator[tuple[str, str]]:
    return ((policy.set, policy.id) for policy in policies)
