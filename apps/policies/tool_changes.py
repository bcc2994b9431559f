"""What a change of tools does to policies: which releases that decide, drafts and reviews would break, and which rules
would come to speak of other calls than before. Both sides are looked at whole, so only what is new is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from apps.policies.cases import run_cases
from apps.policies.cedar_text import TextError
from apps.policies.merging import DraftContent
from apps.policies.models import ActiveRelease, DraftState, PolicyDraft, PolicyRelease, ReleaseRequest
from apps.policies.queries import REQUEST_PARTS, content_of, ground_of, known_to_registry, requested_content, version_of
from apps.policies.reach import Reached, reach_hash, reached_by
from apps.policies.validation import Known, Problem, problems_of
from apps.policies.verdicts import ToolFacts
from apps.policies.wording import listed

Kind = Literal["release", "draft", "review"]

NAMES = {
    "rules": "which rules apply",
    "connector": "its system",
    "effect": "what it does",
    "groups": "its groups",
    "irreversible": "whether it can be undone",
    "data_classes": "its classes of data",
    "money": "whether it moves money",
    "arguments": "arguments that rules read",
}


@dataclass(frozen=True, slots=True)
class Before:
    """How it was before tools were changed: all that policies may name, and the releases that decided."""

    known: Known
    releases: frozenset[UUID]

    def has(self, standing: Standing) -> bool:
        """Whether it was there. What was released since was checked against the tools as they are."""
        return not isinstance(standing.row, PolicyRelease) or standing.row.id in self.releases


def before_change() -> Before:
    return Before(known_to_registry(), frozenset(ActiveRelease.objects.values_list("release", flat=True)))


@dataclass(frozen=True, slots=True)
class Standing:
    """Something that was checked against the tools. `id` is a version for a release, else the row's."""

    kind: Kind
    policy_set: str
    process: str
    id: str
    name: str
    content: DraftContent
    environments: tuple[str, ...] = ()
    row: PolicyRelease | PolicyDraft | ReleaseRequest | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of one of them. `problems` and `cases` were not there before; `loosened` are sentences about rules
    that would forbid no more, `otherwise` about rules that apply to other calls than before; a review that is `refused`
    has to be sent again.
    """

    of: Standing
    problems: tuple[Problem, ...] = ()
    cases: tuple[str, ...] = ()
    loosened: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    refused: bool = False

    @property
    def is_any(self) -> bool:
        return bool(self.problems or self.cases or self.loosened or self.otherwise or self.refused)

    @property
    def breaks(self) -> bool:
        """It decides calls now, and could not be read against the tools any more, so that it would deny; or a rule of
        it would forbid no more, which Cedar does not call a mistake.
        """
        return self.of.kind == "release" and bool(self.problems or self.loosened)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.of.kind,
            "set": self.of.policy_set,
            "id": self.of.id,
            "name": self.of.name,
            "environments": list(self.of.environments),
            "breaks": self.breaks,
            "refused": self.refused,
            "problems": [problem.as_json() for problem in self.problems],
            "cases": list(self.cases),
            "loosened": list(self.loosened),
            "otherwise": list(self.otherwise),
        }

    def sentences(self) -> list[str]:
        """Each with where it stands."""
        said = [f"{self.of.name}, {_place(problem)}{problem.sentence}" for problem in self.problems]
        said += [f"{self.of.name}, test case “{case}” fails then." for case in self.cases]
        said += [f"{self.of.name}: {sentence}" for sentence in (*self.loosened, *self.otherwise)]
        return said + ([f"{self.of.name} would have to be sent again."] if self.refused else [])


def standings() -> list[Standing]:
    """Every release that decides somewhere, every draft that is open, every review that is not over."""
    found: dict[Any, Standing] = {}
    active = ActiveRelease.objects.select_related("release__policy_set__process").order_by("policy_set__slug", "-since")
    for row in active:
        release = row.release
        before = found.get(release.id)
        environments = (*(before.environments if before else ()), row.environment)
        name = f"{release} ({listed(environments)})"
        found[release.id] = _standing("release", release, str(release.version), name, content_of(release), environments)
    drafts = PolicyDraft.objects.filter(state=DraftState.OPEN).select_related("policy_set__process").order_by("id")
    for draft in drafts:
        name = f"the draft “{draft}” of {draft.policy_set}"
        found[draft.id] = _standing("draft", draft, str(draft.id), name, content_of(version_of(draft)))
    requests = ReleaseRequest.objects.filter(ended_at=None).select_related(*REQUEST_PARTS).order_by("id")
    for request in requests:
        where = (request.environment,)
        name = f"the review “{request}”"
        found[request.id] = _standing("review", request, str(request.id), name, requested_content(request), where)
    return list(found.values())


def effects_of(before: Known, after: Known, on: Iterable[Standing]) -> list[Effect]:
    """What would not be as it was, of each; nothing of those for which all stays. A rule that names a tool only one
    side has is a mistake on the other, so both sides know all names that belong to no tool.
    """
    if before.tools == after.tools:
        return []
    found = (_effect(before, after, each) for each in on)
    return [effect for effect in found if effect.is_any]


def with_tools(known: Known, tools: Iterable[ToolFacts]) -> Known:
    """The same with these tools in place of those of their names."""
    changed = {tool.name: tool for tool in tools}
    kept = (tool for tool in known.tools if tool.name not in changed)
    connectors = known.connectors.union(tool.connector for tool in changed.values())
    return replace(known, tools=tuple(sorted((*kept, *changed.values()), key=_name)), connectors=connectors)


def _effect(before: Known, after: Known, standing: Standing) -> Effect:
    content, process = standing.content, standing.process
    parameters = dict(content.parameters)
    new, old = (problems_of(text=content.text, parameters=parameters, known=each) for each in (after, before))
    said = {(problem.policy, problem.sentence) for problem in old}
    problems = tuple(problem for problem in new if (problem.policy, problem.sentence) not in said)
    hashes = [reach_hash(content.text, parameters, process, each.tools) for each in (before, after)]
    same = hashes[0] == hashes[1]
    old_reach, new_reach = ({}, {}) if same else (_reached(content, process, known) for known in (before, after))
    return Effect(
        standing,
        problems=problems,
        cases=() if problems else _failing(before, after, standing),
        loosened=_loosened(old_reach, new_reach),
        otherwise=_otherwise(old_reach, new_reach),
        refused=standing.kind == "review" and (not same or bool(problems)),
    )


def _failing(before: Known, after: Known, standing: Standing) -> tuple[str, ...]:
    """Test cases that went as expected before and do not after."""
    content = standing.content
    if not content.cases or standing.row is None:
        return ()
    bench = ground_of(standing.row.policy_set).bench
    sides = []
    for known in (before, after):
        bench = replace(bench, tools={tool.name: tool for tool in known.tools})
        results = run_cases(content.text, dict(content.parameters), content.cases, bench)
        sides.append({result.name for result in results if not result.passed})
    return tuple(sorted(sides[1] - sides[0]))


def _reached(content: DraftContent, process: str, known: Known) -> dict[str, Reached]:
    try:
        return reached_by(content.text, dict(content.parameters), process, known.tools)
    except TextError:
        return {}


def _loosened(old: Mapping[str, Reached], new: Mapping[str, Reached]) -> tuple[str, ...]:
    """Rules that may forbid a call of a tool and would not any more."""
    said = []
    for name, reached in sorted(old.items()):
        still = new[name].forbids if name in new else ()
        gone = [rule for rule in reached.forbids if rule not in still]
        if gone:
            said.append(f"{_rules(gone)} would forbid nothing of {name} any more.")
    return tuple(said)


def _otherwise(old: Mapping[str, Reached], new: Mapping[str, Reached]) -> tuple[str, ...]:
    """What the rules that apply to a tool can tell of it, and do not find as it was."""
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    said = (_sentence(name, old.get(name), new.get(name)) for name in names)
    return tuple(sentence for sentence in said if sentence)


def _sentence(tool: str, old: Reached | None, new: Reached | None) -> str:
    """Nothing where all that changed is that a rule forbids no more, which is said by itself."""
    before, after = old.rules if old else (), new.rules if new else ()
    gone = [rule for rule in before if rule not in after and (old is None or rule not in old.forbids)]
    come = [rule for rule in after if rule not in before]
    parts = [f"{_rules(gone)} would not speak of it any more"] if gone else []
    parts += [f"{_rules(come)} would speak of it"] if come else []
    if old is not None and new is not None and before == after:
        changed = listed(NAMES[key] for key in _differing(old.facts, new.facts))
        parts = [f"{changed} would change, and {_rules(after)} can tell"]
    return f"{tool}: {listed(parts)}." if parts else ""


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    found = [key for key in new if old.get(key) != new[key]]
    return [key for key in found if key != "groups"] or found


def _rules(names: Iterable[str]) -> str:
    return listed(f"“{name}”" for name in names)


def _standing(
    kind: Kind,
    row: PolicyRelease | PolicyDraft | ReleaseRequest,
    named: str,
    name: str,
    content: DraftContent,
    environments: tuple[str, ...] = (),
) -> Standing:
    process = row.policy_set.process
    slug = row.policy_set.slug
    return Standing(kind, slug, process.slug if process else "", named, name, content, environments, row)


def _place(problem: Problem) -> str:
    return f"line {problem.line}, column {problem.column}: " if problem.line else ""


def _name(tool: ToolFacts) -> str:
    return tool.name
