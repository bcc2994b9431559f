"""What there is to say of a content before it may be released: mistakes, findings, how its test cases go. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.policies.cases import Bench, Result, run_cases
from apps.policies.lint import Finding, Surroundings, findings_of
from apps.policies.lint_across import OtherSet
from apps.policies.merging import DraftContent
from apps.policies.sentences import Setting
from apps.policies.validation import Known, Problem, problems_of


@dataclass(frozen=True, slots=True)
class Ground:
    """What a set stands on: the names there are, the agents its cases play, the teams that build or own them, and what
    tools are called; and what decides beside it now.
    """

    known: Known
    bench: Bench
    makers: frozenset[str]
    titles: Mapping[str, str]
    beside: tuple[OtherSet, ...] = ()

    @property
    def setting(self) -> Setting:
        return Setting(self.known.tools, self.bench.process, self.titles)


@dataclass(frozen=True, slots=True)
class Checked:
    """Problems and failed cases block a release, and so do findings that are certain."""

    problems: tuple[Problem, ...]
    findings: tuple[Finding, ...]
    results: tuple[Result, ...]

    @property
    def failed(self) -> tuple[Result, ...]:
        return tuple(result for result in self.results if not result.passed)

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def is_ready(self) -> bool:
        return not (self.problems or self.failed or self.errors)

    def blocks(self) -> list[dict[str, Any]]:
        """[{"line", "policy", "sentence"}] of everything that blocks."""
        found = [{"line": each.line, "policy": each.policy, "sentence": each.sentence} for each in self.problems]
        found += [{"line": each.line, "policy": each.policy, "sentence": each.sentence} for each in self.errors]
        found += [{"line": 0, "policy": "", "sentence": f"{each.name}: {each.problem}"} for each in self.failed]
        return found

    def as_json(self) -> dict[str, Any]:
        return {
            "ready": self.is_ready,
            "problems": [problem.as_json() for problem in self.problems],
            "findings": [finding.as_json() for finding in self.findings],
            "cases": [result.as_json() for result in self.results],
        }


def check(content: DraftContent, ground: Ground) -> Checked:
    """What is wrong with the text comes first: cases and findings of a text with mistakes say nothing."""
    parameters = dict(content.parameters)
    problems = problems_of(text=content.text, parameters=parameters, known=ground.known)
    if problems:
        return Checked(problems, (), ())
    around = Surroundings(ground.known.tools, ground.makers, ground.bench.process, ground.beside)
    findings = findings_of(content.text, parameters, around)
    return Checked((), findings, run_cases(content.text, parameters, content.cases, ground.bench))
