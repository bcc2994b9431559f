"""A mistake is found before it decides anything, with its line, its column and a sentence."""

import threading

import pytest

from apps.policies.evaluation import decide
from apps.policies.obligations import parse_chain, parse_duration, parse_escalation
from apps.policies.parameters import read_parameters
from apps.policies.validation import problems_of
from apps.policies.verdicts import StageSpec
from tests.policies.builders import (
    CREDIT_POLICIES,
    NO_MASTER_DATA,
    THRESHOLDS,
    call,
    forbid,
    known,
    permit,
    read_tool,
    release,
    tool,
)

FRACTION = "a number with a fraction has no exact form in Cedar; use text or whole minor units."
ANNOTATIONS = "there are @id, @says, @approval, @expires, @escalate and @redact."
CREDIT_SCOPE = 'principal, action == Action::"erp.issue_credit_memo", resource'


def problems(text: str, parameters=None, **changes):
    return problems_of(text=text, parameters=parameters or {}, known=known(**changes))


def only(text: str, parameters=None, **changes):
    (problem,) = problems(text, parameters, **changes)
    return problem


def on_credit(when: str) -> str:
    return f'@id("c") @says("Credit")\npermit ({CREDIT_SCOPE})\nwhen {{\n  {when}\n}};\n'


def test_the_examples_are_valid():
    assert problems(CREDIT_POLICIES, THRESHOLDS) == ()
    assert problems(NO_MASTER_DATA) == ()
    assert problems("") == ()
    assert problems("// nothing yet") == ()


NO_TYPE = "it has no “type” out of bool, duration, long, money, string, strings, team."


@pytest.mark.parametrize(
    ("text", "line", "column", "sentence"),
    [
        ("permit (principal, action, resource)\nwhen { context.money.minor <= };", 2, 31, "Unexpected token “}”."),
        (
            'permit (principal, action, resource)\n@id("b") permit (principal, action, resource);',
            2,
            1,
            "Unexpected token “@”.",
        ),
        ("\n\n  permt (principal, action, resource);", 3, 3, "Invalid policy effect: permt."),
        ("permit (principal, act, resource);", 1, 20, "Found an invalid variable in the policy scope: act."),
        ("permit (principal, action, resource) when { foo(1) };", 1, 45, "“foo” is not a valid function."),
        (
            "permit (principal, action, resource) when { contxt.a };",
            1,
            45,
            "Invalid member access “contxt.a”, “contxt” has no fields or methods.",
        ),
        ("permit (principal, action, resource) when { true & true };", 1, 50, "“&” means nothing in Cedar."),
        ('permit (principal, action, resource)\nwhen { "open };', 2, 8, "This text has no closing quotation mark."),
        (
            "// one\npermit (principal, action, resource)",
            2,
            36,
            "The policy is not finished: a closing bracket, a brace or the semicolon is missing.",
        ),
        ("@id(a) permit (principal, action, resource);", 1, 5, "Unexpected token “a”."),
        ('@id("a") @id("b") permit (principal, action, resource);', 1, 11, "Duplicate annotation: @id."),
    ],
)
def test_what_cedar_cannot_read_is_placed(text, line, column, sentence):
    problem = only(text)
    assert (problem.line, problem.column, problem.sentence) == (line, column, sentence)


def test_every_policy_that_cannot_be_read_is_reported():
    text = "permit (;\n" + permit() + "forbid )\n;\n"
    assert [problem.line for problem in problems(text)] == [1, 4]


def test_a_bracket_or_semicolon_in_text_or_comment_is_none():
    text = '@id("a") @says("Yes; ( { \\" // no comment")\n// ; ( " {\npermit (principal, action, resource);\n'
    assert problems(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        permit("(" * 100_000 + "true" + ")" * 100_000),
        permit("!(" * 100 + "true" + ")" * 100),
        permit("[" * 5_000 + "]" * 5_000 + " == []"),
        permit("1" + "+1" * 50_000 + " == 1"),
        permit("context" + ".a" * 50_000 + " == 1"),
        permit("context" + '["a"]' * 50_000 + " == 1"),
        permit("context.data_classes" + '.contains("x")' * 5_000),
        permit(" && ".join(["true"] * 400)),
        permit("if true then " * 20_000 + "true" + " else false" * 20_000),
        "// " + "x" * 600_000,
    ],
)
def test_a_text_that_would_end_the_process_is_refused(text):
    sentence = only(text).sentence
    assert "nests deeper than" in sentence or "chains more than" in sentence or "is longer than" in sentence


@pytest.mark.parametrize(
    "when",
    [
        "(" * 30 + "true" + ")" * 30,
        "!(" * 28 + "true" + ")" * 28,
        " || ".join(["context.run.steps == 1"] * 140),
        " && ".join(["(context.run.steps == 1 || context.run.calls == 2)"] * 140),
        "1" + " + 1" * 140 + " == 1",
        "if true then " * 30 + "true" + " else false" * 30,
        "(" * 28 + "1" + (" + 1" * 3 + ")") * 28 + " == 1",
    ],
)
def test_what_is_just_within_the_limits_works_in_a_thread_of_a_mebibyte(when):
    results = []

    def work():
        results.append(problems(permit(when)))
        results.append(decide(call(), [release(permit(when))]).errors)

    before = threading.stack_size(1024 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert results == [(), ()]


def test_a_long_list_of_values_is_no_depth():
    values = ", ".join(f'"C-{n}"' for n in range(3_000))
    assert problems(on_credit(f"[{values}].contains(context.arguments.customer_id)")) == ()


@pytest.mark.parametrize(
    ("when", "column", "sentence"),
    [
        (
            'context.arguments.amuont == "1"',
            21,
            "erp.issue_credit_memo has no argument “amuont”. Did you mean “amount”?",
        ),
        ('context.arguments.note == "x"', 21, "“note” may be absent: ask first, “context.arguments has note && …”."),
        ('context.region == "eu"', 11, "“region” may be absent: ask first, “context has region && …”."),
        ("context.arguments.rate == 1", 21, f"Policies cannot see “rate” of erp.issue_credit_memo: {FRACTION}"),
        (
            "context.money.minor <= context.params.limt.minor",
            41,
            "This set has no parameter “limt”. Did you mean “limit”?",
        ),
        ("context.colour == 1", 11, "A call of erp.issue_credit_memo has no “colour”."),
        ('context.money.minor <= "5"', None, "Unexpected type: expected Long but saw String."),
        (
            "context.arguments has ship_to && context.arguments.ship_to.geo == 1",
            62,
            f"Policies cannot see “ship_to.geo” of erp.issue_credit_memo: {FRACTION}",
        ),
    ],
)
def test_a_condition_that_does_not_fit_the_tool_is_placed(when, column, sentence):
    limit = {"limit": {"type": "money", "value": "1.00", "currency": "EUR"}}
    problem = only(on_credit(when), limit)
    assert problem.sentence == sentence
    assert problem.policy == "c"
    assert (problem.line, problem.column) == ((4, column) if column else (1, 1))


def test_a_rule_for_all_tools_must_fit_each_of_them():
    problem = only(permit("context.money.minor < 5"))
    assert problem.sentence.startswith("erp.find_credit_memo moves no money: ask first, “context has money && …”")
    assert problems(permit("context has money && context.money.minor < 5")) == ()


@pytest.mark.parametrize(
    ("scope", "sentence"),
    [
        (
            'principal, action == Action::"erp.isue_credit_memo", resource',
            "There is no tool or group of tools “erp.isue_credit_memo”. Did you mean “erp.issue_credit_memo”?",
        ),
        (
            'principal, action in Action::"reads", resource',
            "There is no tool or group of tools “reads”. Did you mean “read”?",
        ),
        (
            'principal, action == Action::"read", resource',
            '“read” is a group of tools: write “action in Action::"read"”.',
        ),
        ('principal, action, resource in Connector::"epr"', "There is no connector “epr”. Did you mean “erp”?"),
        ('principal, action, resource == Tool::"erp.x"', "There is no tool “erp.x”."),
        (
            'principal in Process::"order-to-cahs", action, resource',
            "There is no process “order-to-cahs”. Did you mean “order-to-cash”?",
        ),
        ('principal in Team::"nobody", action, resource', "There is no team “nobody”."),
        (
            'principal == Agent::"o2c-writter", action, resource',
            "There is no agent “o2c-writter”. Did you mean “o2c-writer”?",
        ),
        ('principal == User::"x", action, resource', "Unrecognized entity type “User”."),
        (
            'principal, action, resource in Agent::"o2c-writer"',
            "This policy can never apply: the principal is an agent, the action a tool's, the resource that tool.",
        ),
    ],
)
def test_a_name_nobody_has_is_a_mistake(scope, sentence):
    assert only(f'@id("a") @says("b") forbid ({scope});').sentence == sentence


def test_a_name_in_a_condition_is_checked_too():
    problem = only(permit('principal in [Team::"cfo-office", Team::"cfo-ofice"]'))
    assert problem.sentence == "There is no team “cfo-ofice”. Did you mean “cfo-office”?"
    assert problem.line == 2


def test_a_rule_for_a_group_without_tools_waits_for_them():
    assert problems('@id("a") @says("b") forbid (principal, action in Action::"irreversible", resource);') == ()
    assert problems(permit(), tools=()) == ()


@pytest.mark.parametrize(
    ("annotations", "sentence"),
    [
        ('@says("b")', 'This policy has no name: write @id("…") in front of it.'),
        ('@id("") @says("b")', 'This policy has no name: write @id("…") in front of it.'),
        (
            '@id("a b") @says("b")',
            "An @id is made of the letters a to z, digits, dots, hyphens and underscores, at most 80 of them.",
        ),
        ('@id("a")', 'This policy says nothing to people: write @says("…") in front of it.'),
        ('@id("a") @says("  ")', 'This policy says nothing to people: write @says("…") in front of it.'),
        ('@id("a") @says("b") @aproval("x:1")', f"There is no annotation @aproval; {ANNOTATIONS}"),
        ('@id("a") @says("b") @approval("nobody:1")', "There is no team “nobody”."),
        ('@id("a") @says("b") @approval("cfo-ofice:1")', "There is no team “cfo-ofice”. Did you mean “cfo-office”?"),
        (
            '@id("a") @says("b") @approval',
            "@approval: “” is not a chain such as finance-approvers:1, cfo-office:1 (1 to 20 votes per team).",
        ),
        (
            '@id("a") @says("b") @approval("cfo-office:1") @expires("8 hours")',
            "@expires: “8 hours” is not a duration such as PT8H or P1D, of at most 366 days.",
        ),
        ('@id("a") @says("b") @expires("PT8H")', "@expires without @approval means nothing."),
        (
            '@id("a") @says("b") @approval("cfo-office:1") @escalate("soon")',
            "@escalate: “soon” is not an escalation such as PT2H:finance-leads.",
        ),
        ('@id("a") @says("b") @approval("cfo-office:1") @escalate("PT2H:nobody")', "There is no team “nobody”."),
        (
            '@id("a") @says("b") @redact("fincial")',
            "@redact: No tool has data of class “fincial”. Did you mean “financial”?",
        ),
        (
            '@id("a") @says("b") @redact("two words")',
            "@redact: “two words” is not a list of data classes and detectors such as personal, detected:email.",
        ),
        (
            '@id("a") @says("b") @redact("detected:face")',
            "@redact: There is no detector “detected:face”; there are detected:card, detected:email, detected:iban,"
            " detected:ip, detected:phone.",
        ),
        (
            '@id("a") @says("b") @redact("financial, detected:email")',
            "@redact: “detected:email” is not installed here; requirements-pii.txt brings it.",
        ),
    ],
)
def test_annotations_are_checked(annotations, sentence):
    assert only(f"{annotations} permit (principal, action, resource);").sentence == sentence


def test_an_annotation_is_placed_where_it_stands():
    text = '@id("a")\n@says("b")\n  @approval("cfo-office:99")\npermit (principal, action, resource);'
    problem = only(text)
    assert (problem.line, problem.column, problem.policy) == (3, 4, "a")


def test_a_forbid_asks_for_nothing():
    problem = only('@id("a") @says("b") @approval("cfo-office:1") forbid (principal, action, resource);')
    assert problem.sentence == "A forbid cannot ask for anything; @approval belongs to a permit."


def test_two_policies_cannot_share_a_name():
    problem = only(permit(name="same") + forbid(name="same"))
    assert (problem.line, problem.policy) == (3, "same")


def test_a_template_is_refused():
    text = '@id("a") @says("b") permit (principal == ?principal, action, resource);'
    assert only(text).sentence == "A template decides nothing here; write the policy out."


def test_all_problems_come_in_the_order_of_the_text():
    found = problems(
        on_credit("context.arguments.x == 1 && context.arguments.y == 2") + permit(name="c", annotations="@what"),
        {"X": {}},
    )
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)
    assert found[0].line == 0
    assert len(found) == 5


@pytest.mark.parametrize(
    ("parameter", "sentence"),
    [
        (
            {"type": "money", "value": "1.234", "currency": "EUR"},
            "The amount has more decimals than EUR knows, or is too large.",
        ),
        ({"type": "money", "value": "1", "currency": "EURO"}, "'EURO' is not a currency code."),
        ({"type": "money", "value": 1.5, "currency": "EUR"}, "This is not an amount of money."),
        ({"type": "long", "value": 1.5}, "its value is not of type long."),
        ({"type": "long", "value": True}, "its value is not of type long."),
        ({"type": "long", "value": 2**60}, "its value is not of type long."),
        ({"type": "bool", "value": "yes"}, "its value is not of type bool."),
        ({"type": "string"}, "its value is not of type string."),
        ({"type": "strings", "value": ["a", 1]}, "its value is not of type strings."),
        ({"type": "duration", "value": "1h"}, "“1h” is not a duration such as PT8H or P1D, of at most 366 days."),
        (
            {"type": "colour", "value": "red"},
            "it has no “type” out of bool, duration, long, money, string, strings, team.",
        ),
        (
            {"type": ["money"], "value": "1"},
            "it has no “type” out of bool, duration, long, money, string, strings, team.",
        ),
        ("500.00", "it has no “type” out of bool, duration, long, money, string, strings, team."),
    ],
)
def test_parameters_are_typed(parameter, sentence):
    problem = only(permit(), {"limit": parameter})
    assert (problem.line, problem.sentence) == (0, f"Parameter “limit”: {sentence}")


@pytest.mark.parametrize("name", ["Limit", "1st", "a-b", "", "__extn", "naïve"])
def test_a_parameter_has_a_plain_name(name):
    assert "a name is small letters" in only(permit(), {name: {"type": "long", "value": 1}}).sentence


def test_parameters_become_what_policies_compare():
    read, wrong = read_parameters(
        {"d": {"type": "duration", "value": "P1DT30M"}, "m": {"type": "money", "value": "7", "currency": "JPY"}}
    )
    assert wrong == ()
    assert read.types == (("d", "duration"), ("m", "money"))
    assert read.values == {"d": 88_200, "m": {"minor": 7, "currency": "JPY"}}


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT8H", 28_800), ("P1D", 86_400), ("P2W", 1_209_600), ("P1DT1H1M1S", 90_061), ("PT1S", 1)]
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "8H", "PT0S", "P1Y", "P1M", "P367D", "PT1.5H", "-PT1H", "pt1h", "P1W1D", "PT٣H"]
)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_chains():
    assert parse_chain(" a:1 ,b_c-d : 12") == (StageSpec("a", 1), StageSpec("b_c-d", 12))
    assert parse_escalation("PT2H:finance-leads") == (7_200, "finance-leads")


@pytest.mark.parametrize("text", ["", "a", "a:", "a:0", "a:21", "a:-1", "a:1,", "a:1;b:1", "a b:1", "a:1, a:2", "a:٣"])
def test_what_is_no_chain(text):
    with pytest.raises(ValueError, match="“"):
        parse_chain(text)


def test_an_argument_with_an_odd_name_can_be_used():
    odd = tool(
        input_schema={"type": "object", "required": ["due-date\n"], "properties": {"due-date\n": {"type": "string"}}}
    )
    text = '@id("a") @says("b") permit (principal, action == Action::"erp.issue_credit_memo", resource)'
    assert problems(text + ' when { context.arguments["due-date\\n"] == "x" };', tools=(odd, read_tool())) == ()


def test_a_parameter_that_is_a_team_names_one_there_is():
    stored = {"deputy": {"type": "team", "value": "cfo-ofice"}}
    [problem] = problems_of(text="", parameters=stored, known=known())
    assert (problem.line, problem.sentence) == (
        0,
        "Parameter “deputy”: there is no team “cfo-ofice”. Did you mean “cfo-office”?",
    )
    assert problems_of(text="", parameters={"deputy": {"type": "team", "value": "cfo-office"}}, known=known()) == ()
