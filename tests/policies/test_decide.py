"""What a call gets from policies: thresholds, sets, obligations."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from apps.core.money import Money
from apps.policies.evaluation import LoadedRelease, content_hash, decide, load_release, replay
from apps.policies.obligations import strictest
from apps.policies.validation import Known, problems_of
from apps.policies.verdicts import NOTHING_PERMITS, ReleaseRef, StageSpec, ToolFacts
from tests.policies.builders import (
    NO_MASTER_DATA,
    call,
    forbid,
    permit,
    read_tool,
    release,
    shared_example,
    tool,
)

FINANCE, CFO = StageSpec("finance-approvers", 1), StageSpec("cfo-office", 1)
BOTH_SETS = (release(), release(NO_MASTER_DATA, of="global"))

THRESHOLDS = [
    ("0.00", "allow", (), 0, "credit-alone"),
    ("500.00", "allow", (), 0, "credit-alone"),
    ("500.01", "require_approval", (FINANCE,), 8 * 3600, "credit-finance"),
    ("5000.00", "require_approval", (FINANCE,), 8 * 3600, "credit-finance"),
    ("5000.01", "require_approval", (FINANCE, CFO), 24 * 3600, "credit-cfo"),
]


@pytest.mark.parametrize(("amount", "outcome", "stages", "expires", "policy"), THRESHOLDS)
def test_a_threshold_belongs_to_the_milder_side(amount, outcome, stages, expires, policy):
    verdict = decide(call(amount), BOTH_SETS)
    assert (verdict.outcome, verdict.errors) == (outcome, ())
    assert [ref.id for ref in verdict.policies] == [policy]
    assert (verdict.obligations.stages, verdict.obligations.expires_seconds) == (stages, expires)


def example_releases() -> tuple[list[LoadedRelease], ToolFacts]:
    example = shared_example()
    if example is None:
        pytest.skip("the bootstrap example is not beside this checkout")
    entry = next(entry for entry in example["tools"] if entry["name"] == "erp.issue_credit_memo")
    credit = tool(data_classes=tuple(entry["data_classes"]), input_schema=entry["input_schema"])
    known = Known(
        tools=(credit,),
        teams=frozenset(team["slug"] for team in example["teams"]),
        connectors=frozenset(connector["slug"] for connector in example["connectors"]),
        processes=frozenset(process["slug"] for process in example["processes"]),
        agents=frozenset(agent["slug"] for agent in example["agents"]),
    )
    releases = []
    for entry in example["policies"]:
        text, parameters = entry["text"], entry["parameters"]
        assert problems_of(text=text, parameters=parameters, known=known) == ()
        ref = ReleaseRef(entry["set"], 1, content_hash(text, parameters))
        releases.append(load_release(ref, text=text, parameters=parameters))
    return releases, credit


@pytest.mark.parametrize(("amount", "outcome", "stages", "expires", "policy"), THRESHOLDS)
def test_the_bootstrap_example_decides_as_it_says(amount, outcome, stages, expires, policy):
    releases, credit = example_releases()
    verdict = decide(call(amount, tool=credit), releases)
    assert (verdict.outcome, [ref.id for ref in verdict.policies]) == (outcome, [policy])
    assert (verdict.obligations.stages, verdict.obligations.expires_seconds) == (stages, expires)


def test_another_currency_is_not_compared():
    verdict = decide(call("1.00", "USD"), BOTH_SETS)
    assert (verdict.outcome, verdict.policies, verdict.reasons) == ("deny", (), (NOTHING_PERMITS,))


def test_minor_units_are_those_of_the_currency():
    parameters = {"limit": {"type": "money", "value": "500", "currency": "JPY"}}
    text = permit(
        "context.money.currency == context.params.limit.currency && context.money.minor <= context.params.limit.minor"
    )
    rule = release(text, parameters=parameters)
    assert decide(call("500", "JPY"), [rule]).outcome == "allow"
    assert decide(call("501", "JPY"), [rule]).outcome == "deny"


def test_without_releases_nothing_is_allowed():
    verdict = decide(call(), [])
    assert verdict.outcome == "deny"
    assert verdict.errors


def test_a_set_without_policies_allows_nothing():
    assert decide(call(), [release("// nothing yet\n")]).outcome == "deny"


def test_a_forbid_of_any_set_wins_and_is_the_reason():
    verdict = decide(call(tool=tool(data_classes=("customer_master",))), BOTH_SETS)
    assert verdict.outcome == "deny"
    assert [(ref.id, ref.set) for ref in verdict.policies] == [("no-master-data", "global")]
    assert verdict.reasons == ("No agent changes customer master data",)


def test_a_permit_of_one_set_is_enough():
    assert decide(call(), [release(permit(), of="global"), release("")]).outcome == "allow"


def test_reads_are_in_the_group_read_and_writes_are_not():
    text = (
        '@id("r") @says("Reads are free") permit (principal, action in Action::"read", resource in Connector::"erp");'
    )
    facts = call(tool=read_tool(), arguments={"reference": "x"}, money=None)
    assert decide(facts, [release(text)]).outcome == "allow"
    assert decide(call(), [release(text)]).outcome == "deny"


@pytest.mark.parametrize(
    ("group", "changes", "is_in"),
    [
        ("irreversible", {"is_irreversible": True}, True),
        ("irreversible", {"is_irreversible": False}, False),
        ("financial", {"has_money": True, "data_classes": ()}, True),
        ("financial", {"has_money": False, "data_classes": ("financial",)}, True),
        ("financial", {"has_money": False, "data_classes": ("contact",)}, False),
        ("financial", {"has_money": False, "data_classes": ("financial",), "effect": "read"}, False),
        ("write", {"effect": "read"}, False),
    ],
)
def test_actions_are_in_the_groups_of_their_tool(group, changes, is_in):
    text = f'@id("g") @says("Group") permit (principal, action in Action::"{group}", resource);'
    verdict = decide(call(tool=tool(**changes)), [release(text)])
    assert verdict.outcome == ("allow" if is_in else "deny")


@pytest.mark.parametrize(
    "scope",
    [
        'principal == Agent::"o2c-writer", action, resource',
        'principal in Process::"order-to-cash", action, resource',
        'principal in Team::"o2c-builders", action, resource',
        'principal, action == Action::"erp.issue_credit_memo", resource == Tool::"erp.issue_credit_memo"',
        'principal, action, resource in Connector::"erp"',
        "principal is Agent, action, resource is Tool",
    ],
)
def test_principal_action_and_resource_are_the_agent_and_the_tool(scope):
    assert decide(call(), [release(f'@id("s") @says("Scope") permit ({scope});')]).outcome == "allow"


@pytest.mark.parametrize(
    "when",
    [
        'context.environment == "production" && context.effect == "write"',
        'context.data_classes == ["financial"]',
        'context.arguments.reason_code == "price_mismatch"',
        'context.money == {minor: 10000, currency: "EUR"}',
        'context.confidence.greaterThanOrEqual(decimal("0.93"))',
        'context has region && context.region == "eu" && context has customer_tier && context.customer_tier == "gold"',
        "context.run == {steps: 3, calls: 1, cost_minor: 12}",
        'context.approved_by.containsAll(["finance-approvers"])',
        'context.params == {a: "x", b: true, c: 7, d: ["y"], e: 28800, f: {minor: 150, currency: "EUR"}}',
    ],
)
def test_the_context_is_as_documented(when):
    parameters = {
        "a": {"type": "string", "value": "x"},
        "b": {"type": "bool", "value": True},
        "c": {"type": "long", "value": 7},
        "d": {"type": "strings", "value": ["y"]},
        "e": {"type": "duration", "value": "PT8H"},
        "f": {"type": "money", "value": "1.50", "currency": "EUR"},
    }
    facts = call(region="eu", customer_tier="gold", approved_by=("finance-approvers",))
    verdict = decide(facts, [release(permit(when), parameters=parameters)])
    assert (verdict.outcome, verdict.errors) == ("allow", ())


def test_what_is_not_known_is_absent_from_the_context():
    absent = ("context has region", "context has customer_tier", "context has confidence", "context.arguments has note")
    when = " && ".join(f"!({has})" for has in absent)
    assert decide(call(confidence=None), [release(permit(when))]).outcome == "allow"


def test_confidence_is_never_rounded_up():
    rule = release(permit('context.confidence.greaterThanOrEqual(decimal("0.9"))'))
    assert decide(call(confidence=0.89999), [rule]).outcome == "deny"
    assert decide(call(confidence=0.9), [rule]).outcome == "allow"


def test_arguments_are_typed_and_the_uncarried_left_out():
    when = (
        'context.arguments.days < 10 && context.arguments.tags.contains("blue") '
        '&& context.arguments.ship_to.country == "DE" && !(context.arguments has rate)'
    )
    more = {
        "days": 5.0,
        "tags": ["blue", "blue"],
        "rate": 0.5,
        "ship_to": {"country": "DE", "geo": 1.5},
        "unknown": None,
    }
    assert decide(call(more=more), [release(permit(when))]).outcome == "allow"


def test_all_of_unicode_travels():
    text = 'Grüße 漢字 🧾 \u202e\n\t"quoted" \\ back'
    literal = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    rule = release(permit(f'context.arguments.note == "{literal}"'))
    assert decide(call(more={"note": text}), [rule]).outcome == "allow"


class TestStrictestObligations:
    def verdict(self, *annotations: str, sets: int = 1):
        texts = [permit(name=f"p{n}", annotations=text) for n, text in enumerate(annotations)]
        if sets == 1:
            return decide(call(), [release("".join(texts))])
        return decide(call(), [release(text, of=f"set-{n}") for n, text in enumerate(texts)])

    @pytest.mark.parametrize("sets", [1, 2])
    def test_a_permit_without_approval_does_not_lift_that_of_another(self, sets):
        verdict = self.verdict("", '@approval("finance-approvers:1")', sets=sets)
        assert verdict.outcome == "require_approval"
        assert [ref.id for ref in verdict.policies] == ["p0", "p1"]

    def test_every_team_with_its_largest_quorum_in_the_order_of_the_longest_chain(self):
        verdict = self.verdict('@approval("c:3, d:1")', '@approval("a:1, b:2, c:1")', '@approval("b:1")')
        assert verdict.obligations.stages == (
            StageSpec("a", 1),
            StageSpec("b", 2),
            StageSpec("c", 3),
            StageSpec("d", 1),
        )

    def test_the_shortest_expiry_counts(self):
        verdict = self.verdict('@approval("a:1") @expires("P2D")', '@approval("a:1") @expires("PT30M")')
        assert verdict.obligations.expires_seconds == 30 * 60

    def test_a_day_where_no_expiry_is_named(self):
        assert self.verdict('@approval("a:1")').obligations.expires_seconds == 24 * 3600
        assert (
            self.verdict('@approval("a:1")', '@approval("a:1") @expires("P7D")').obligations.expires_seconds
            == 24 * 3600
        )
        assert self.verdict('@approval("a:1") @expires("P7D")').obligations.expires_seconds == 7 * 24 * 3600

    def test_the_verdict_does_not_depend_on_the_order_of_sets(self):
        one, two = (
            release(permit(annotations='@approval("a:1")'), of="a"),
            release(permit(annotations='@approval("b:1")'), of="b"),
        )
        assert decide(call(), [one, two]) == decide(call(), [two, one])

    def test_nothing_demanded_is_nothing_owed(self):
        assert strictest([]).as_json() == {"stages": [], "expires_seconds": 0}


def test_eight_threads_get_the_answers_of_one():
    calls = [call(f"{n * 37 % 6000}.{n % 100:02d}", tool=tool(f"erp.tool_{n % 7}")) for n in range(400)]
    rules = [
        release(
            permit("context.money.minor < 300000", annotations='@approval("a:1")') + forbid("context.money.minor < 500")
        )
    ]
    alone = [decide(facts, rules) for facts in calls]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda facts: decide(facts, rules), calls * 4))
    assert together == alone * 4
    assert {verdict.outcome for verdict in alone} == {"deny", "require_approval"}


def test_a_verdict_is_json_and_replays_from_its_input():
    verdict = decide(call("600.00"), BOTH_SETS)
    json.dumps(verdict.as_json())
    assert replay(json.loads(json.dumps(verdict.input)), BOTH_SETS) == verdict


def test_money_is_ignored_where_the_tool_moves_none():
    facts = call(tool=tool(has_money=False), money=Money(1, "EUR"))
    assert decide(facts, [release(permit("!(context has money)"))]).outcome == "allow"
