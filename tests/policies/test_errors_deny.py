"""Whatever cannot be read or evaluated denies, and says so without quoting the call."""

import pytest

from apps.core.money import Money
from apps.policies.evaluation import LoadedRelease, content_hash, decide, load_release
from apps.policies.verdicts import ReleaseRef
from tests.policies.builders import call, forbid, permit, release, tool

YES = permit()


def denied(facts, *releases: LoadedRelease) -> str:
    """The one sentence of a denial that an error caused."""
    verdict = decide(facts, releases)
    assert (verdict.outcome, verdict.obligations.stages) == ("deny", ())
    (sentence,) = verdict.errors
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    return sentence


def test_a_forbid_that_errs_denies_although_cedar_skips_it():
    sentence = denied(call(), release(YES + forbid('context.arguments.note == "x"', name="notes")))
    assert (
        sentence
        == "Policy “notes” of order-to-cash@1 could not be evaluated: it reads “note”, which this call does not have."
    )


def test_a_permit_that_errs_denies_although_another_permits():
    denied(call(), release(YES + permit('context.arguments.note == "x"', name="notes")))


def test_an_error_in_another_set_denies_too():
    denied(call(), release(YES), release(forbid("context.arguments.days > 1"), of="global"))


def test_a_matching_forbid_is_named_beside_the_error():
    verdict = decide(call(), [release(forbid(name="never") + forbid("context.arguments.days > 1", name="days"))])
    assert [ref.id for ref in verdict.policies] == ["never"]
    assert len(verdict.errors) == 1


def test_a_guarded_optional_argument_is_no_error():
    assert (
        decide(call(), [release(YES + forbid("context.arguments has days && context.arguments.days > 1"))]).outcome
        == "allow"
    )


def test_an_overflow_denies_without_telling_the_number():
    facts = call(more={"days": 2**62 + 12345})
    sentence = denied(facts, release(YES + forbid("context.arguments.days * 3 > 1")))
    assert sentence == "Policy “f” of order-to-cash@1 could not be evaluated: a number in it became too large."


@pytest.mark.parametrize("days", [2**63, -(2**63) - 1, 10**400, 1e300])
def test_numbers_beyond_cedar_deny(days):
    sentence = denied(call(more={"days": days}), release(YES))
    assert (
        sentence == "The call cannot be weighed against policies: /days is a larger number than policies can compare."
    )


def test_the_largest_numbers_of_cedar_are_carried():
    rule = release(permit("context.arguments.days == 9223372036854775807"))
    assert decide(call(more={"days": 2**63 - 1}), [rule]).outcome == "allow"


@pytest.mark.parametrize("minor", [2**63, -(2**70)])
def test_money_beyond_cedar_denies(minor):
    denied(call(money=Money(minor, "EUR")), release(YES))


def test_money_missing_from_a_tool_that_moves_money_denies():
    denied(call(money=None), release(YES))


@pytest.mark.parametrize(
    "more",
    [
        {"days": 1.5},
        {"days": "5"},
        {"days": True},
        {"days": float("nan")},
        {"days": float("inf")},
        {"note": 5},
        {"note": {"__entity": {"type": "Agent", "id": "other"}}},
        {"note": {"__extn": {"fn": "decimal", "arg": "1.0"}}},
        {"tags": "blue"},
        {"tags": ["blue", None]},
        {"tags": [["blue"]]},
        {"ship_to": []},
        {"ship_to": {}},
        {"reason_code": None},
        {"note": "\ud800"},
    ],
)
def test_arguments_that_do_not_fit_deny(more):
    denied(call(more=more), release(YES))


@pytest.mark.parametrize("arguments", [None, [], "text", 5])
def test_arguments_that_are_no_object_deny(arguments):
    denied(call(arguments=arguments), release(YES))


@pytest.mark.parametrize("confidence", [float("nan"), float("inf"), 1.5, -0.1, 1e300])
def test_a_confidence_that_is_none_denies(confidence):
    denied(call(confidence=confidence), release(YES))


@pytest.mark.parametrize("field", ["run_steps", "run_calls", "run_cost_minor"])
def test_counts_beyond_cedar_deny(field):
    denied(call(**{field: 2**63}), release(YES))


@pytest.mark.parametrize("changes", [{"agent": "\ud800"}, {"teams": ("\ud800",)}, {"region": "\ud800"}])
def test_names_that_are_no_text_deny(changes):
    denied(call(**changes), release(YES))


def test_nulls_and_floats_outside_the_types_never_reach_cedar():
    more = {"rate": None, "unknown": {"deep": [None, 1.5]}, "note": None}
    assert decide(call(more=more), [release(YES)]).outcome == "allow"


def test_a_tool_named_like_a_group_denies():
    denied(call(tool=tool("read")), release(YES))


@pytest.mark.parametrize(
    "text",
    [
        "permit (principal",
        'permit (principal, action, resource) when { "unclosed };',
        "permit (principal, action, resource);",
        '@id("a") permit (principal, action, resource);',
        '@id("a") @says("b") @approval("nobody") permit (principal, action, resource);',
        '@id("a") @says("b") @approval permit (principal, action, resource);',
        '@id("a") @says("b") @approval("x:1") @expires permit (principal, action, resource);',
        "@id @says permit (principal, action, resource);",
        permit(" && ".join(["true"] * 900)),
        '@id("a") @says("b") @approval("x:1") @expires("soon") permit (principal, action, resource);',
        '@id("a") @says("b") permit (principal == ?principal, action, resource);',
        permit("(" * 5_000 + "true" + ")" * 5_000),
        permit("!(" * 200 + "true" + ")" * 200),
        permit("1" + " + 1" * 20_000 + " == 1"),
        permit("if true then " * 5_000 + "true" + " else false" * 5_000),
    ],
)
def test_a_release_that_cannot_be_read_denies_and_is_named(text):
    broken = release(text, of="global", version=7)
    sentence = denied(call(), release(YES), broken)
    assert sentence.startswith("The policies global@7 cannot be read, so nothing is allowed: ")


@pytest.mark.parametrize(
    "parameters", [{"x": 5}, {"x": {"type": "money", "value": "1.234", "currency": "EUR"}}, [], {"x": {}}]
)
def test_a_release_with_unreadable_parameters_denies(parameters):
    denied(call(), release(YES, parameters=parameters))


def test_a_release_that_is_not_what_its_hash_says_denies():
    ref = ReleaseRef("order-to-cash", 1, content_hash(forbid(), {}))
    denied(call(), load_release(ref, text=YES, parameters={}))


def test_an_error_never_quotes_the_call():
    secret = "erika.mustermann@example.org"
    more = {"note": secret, "days": 2**62 + 987654321, "tags": [secret]}
    text = (
        YES + forbid("context.arguments.days * 9 > 1") + forbid('decimal("1.0").lessThan(context.confidence)', name="g")
    )
    sentences = decide(call(more=more, confidence=None), [release(text)]).errors
    sentences += decide(call(more=more | {"ship_to": secret}), [release(YES)]).errors
    assert len(sentences) == 3
    assert not any(secret in sentence or "987654321" in sentence for sentence in sentences)
