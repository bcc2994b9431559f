"""Two runs beside each other: how each ended and what it came to, and their steps aligned by what was done."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.core.money import Money
from apps.runs.aligning import aligned
from apps.runs.causes import cause_of_run
from apps.runs.facts import CallBrief, Facts, above
from apps.runs.models import Run, SpanOrigin
from apps.runs.queries import run_for, runs_visible_to
from apps.runs.spent import split_of
from apps.runs.steps import Row, reported_rows, reported_usage
from apps.runs.wording import amounts, enumerated, length

# Of each run; aligning takes the product. What is left out is said.
MOST_STEPS = 500
MOST_OFFERED = 20
SAME, OTHER_ARGUMENTS, OTHER_OUTCOME, ONLY_A, ONLY_B = "same", "other_arguments", "other_outcome", "only_a", "only_b"
# What a step of these kinds is about is told by another one: a governed execution by its call.
NOT_COMPARED = frozenset({"tool", "other"})


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done. Those with one `key` are compared with each other; `digest` tells their content apart,
    "" where it is not known.
    """

    key: tuple[str, str]
    digest: str
    state: str
    text: str
    origin: str
    kind: str
    at: dt.datetime
    money: Money | None = None
    tokens: int | None = None
    url: str = ""

    @property
    def name(self) -> str:
        """What it is compared by."""
        return self.key[1]

    @property
    def enforced(self) -> bool:
        return self.origin == SpanOrigin.ENFORCED


@dataclass(frozen=True, slots=True)
class Line:
    """What stands beside what. `difference` is one of the five."""

    difference: str
    a: Step | None
    b: Step | None

    @property
    def steps(self) -> tuple[Step | None, Step | None]:
        return self.a, self.b

    @property
    def words(self) -> str:
        words = {
            SAME: _("same"),
            OTHER_ARGUMENTS: _("other arguments"),
            OTHER_OUTCOME: _("other outcome"),
            ONLY_A: _("only in A"),
            ONLY_B: _("only in B"),
        }[self.difference]
        if self.difference == OTHER_ARGUMENTS and self.a and self.b and self.a.state != self.b.state:
            return enumerated([words, _("other outcome")])
        return words


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that can be said of both."""

    name: str
    label: str
    a: str
    b: str

    @property
    def is_same(self) -> bool:
        return self.a == self.b


@dataclass(frozen=True, slots=True)
class Comparison:
    """`is_cut`: one of them has more steps than are compared."""

    a: Run
    b: Run
    facts: list[Fact]
    lines: list[Line]
    is_cut: bool

    @property
    def runs(self) -> tuple[Run, Run]:
        return self.a, self.b

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(line.difference for line in self.lines)
        return {name: found[name] for name in (SAME, OTHER_ARGUMENTS, OTHER_OUTCOME, ONLY_A, ONLY_B)}

    @property
    def sentence(self) -> str:
        """In one sentence how alike they are."""
        counts = self.counts
        words = {
            SAME: _("%(n)s the same"),
            OTHER_ARGUMENTS: _("%(n)s with other arguments"),
            OTHER_OUTCOME: _("%(n)s with another outcome"),
            ONLY_A: _("%(n)s only in A"),
            ONLY_B: _("%(n)s only in B"),
        }
        told = [words[name] % {"n": count} for name, count in counts.items() if count]
        return _("Of the steps: %(told)s.") % {"told": enumerated(told)} if told else _("Neither of them did anything.")


def comparison_for(actor: Actor, a_id: UUID, b_id: UUID) -> Comparison:
    """Both of them, as this actor sees each. Raises NotFound, and Invalid where they are one."""
    if a_id == b_id:
        raise Invalid("run.compared_with_itself", "Choose two different runs.")
    a, b = run_for(actor, a_id), run_for(actor, b_id)
    of_a, of_b = _steps(actor, a), _steps(actor, b)
    pairs = aligned([step.key for step in of_a], [step.key for step in of_b])
    return Comparison(
        a=a,
        b=b,
        facts=_facts(_sides(actor, a), _sides(actor, b)),
        lines=[_line(of_a[i] if i is not None else None, of_b[j] if j is not None else None) for i, j in pairs],
        is_cut=max(len(of_a), len(of_b)) >= MOST_STEPS,
    )


def offered(actor: Actor, run: Run) -> list[Run]:
    """The runs that somebody would compare it with: the last ones of its process, those about the same thing first."""
    others = runs_visible_to(actor).filter(process=run.process_id).exclude(id=run.id)
    alike = others.filter(business_key=run.business_key).order_by("-id") if run.business_key else others.none()
    same = list(alike[:MOST_OFFERED])
    rest = others.exclude(id__in=[one.id for one in same]).order_by("-id")
    return [*same, *rest[: MOST_OFFERED - len(same)]]


def _line(a: Step | None, b: Step | None) -> Line:
    if a is None or b is None:
        return Line(ONLY_B if a is None else ONLY_A, a, b)
    if a.digest != b.digest:
        return Line(OTHER_ARGUMENTS, a, b)
    return Line(SAME if a.state == b.state else OTHER_OUTCOME, a, b)


def _steps(actor: Actor, run: Run) -> list[Step]:
    """Its calls, and what its agents reported beside them, in order."""
    calls = [_of_call(call) for call in above().briefs(actor, run, MOST_STEPS)]
    told = [_of_row(run, row) for row in reported_rows(actor, run, most=MOST_STEPS) if row.kind not in NOT_COMPARED]
    return sorted([*calls, *told], key=lambda step: step.at)[:MOST_STEPS]


def _of_call(call: CallBrief) -> Step:
    return Step(
        key=("call", call.tool),
        digest=call.digest,
        state=call.state,
        text=call.sentence,
        origin=SpanOrigin.ENFORCED,
        kind="tool",
        at=call.at,
        money=call.money,
        url=call.url,
    )


def _of_row(run: Run, row: Row) -> Step:
    return Step(
        key=(row.kind, row.text),
        digest="",
        state=row.status,
        text=row.text,
        origin=row.origin,
        kind=row.kind,
        at=row.started_at,
        tokens=row.tokens,
        url=reverse("run-step", args=[run.id, row.id]),
    )


def _sides(actor: Actor, run: Run) -> dict[str, str]:
    """What can be said of one of them, by name."""
    now, facts = clock.now(), above().facts(actor, run)
    took = ((run.ended_at or now) - run.started_at).total_seconds()
    parts = split_of(run, above().halts(actor, run), now=now)
    usage = reported_usage(run)
    cost, cause = above().costs([run.id]).get(run.id), cause_of_run(run, facts.calls)
    return {
        "state": str(run.get_state_display()),
        "why": str(cause.label) if cause else "",
        "took": length(took),
        "split": " · ".join(f"{part.label} {length(part.duration.total_seconds())}" for part in parts),
        "calls": _counted(facts),
        "moved": amounts(facts.totals.moved) or _("nothing"),
        "undone": amounts(facts.totals.undone) or _("nothing"),
        "tokens": usage.tokens if usage else _("not known"),
        "cost": amounts(cost.moneys) if cost else (usage.cost if usage else _("not known")),
    }


def _counted(facts: Facts) -> str:
    counts = facts.totals.counts
    told = [f"{count} {state.replace('_', ' ')}" for state, count in sorted(counts.items()) if count]
    return enumerated(told) or _("none")


def _facts(a: dict[str, str], b: dict[str, str]) -> list[Fact]:
    labels = {
        "state": _("State"),
        "why": _("Why it ended so"),
        "took": _("Took"),
        "split": _("Where the time went"),
        "calls": _("Calls"),
        "moved": _("Moved"),
        "undone": _("Undone"),
        "tokens": _("Tokens"),
        "cost": _("Cost"),
    }
    return [Fact(name, label, a[name], b[name]) for name, label in labels.items() if a[name] or b[name]]
