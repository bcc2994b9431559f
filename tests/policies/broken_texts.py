"""Texts that break parsers, and a program that tries one after the other in a thread with the stack of a web thread.

As a program (`python -m tests.policies.broken_texts`) it writes a line of JSON for each: its name, the first sentence
said of it, how many there were, what the comparison and the decision say, and the processor seconds of each step. It is
a process of its own because a parser that overflows its stack ends the process.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

WEB_THREAD_STACK = 2 * 1024 * 1024


def rule(condition: str) -> str:
    return f'@id("a") @says("a")\npermit (principal, action, resource) when {{ {condition} }};'


def many(count: int, head: str = "principal, action, resource", tail: str = "", more: str = "") -> str:
    return "".join(
        f'@id("p{n}") @says("s {n}") {more.format(n)}\npermit ({head.format(n)}) {tail.format(n)};\n'
        for n in range(count)
    )


LIST = ", ".join(["1"] * 2_900)

# What is refused, and how the sentence begins.
REFUSED: dict[str, tuple[str, str]] = {
    "10,000 brackets": (rule("(" * 10_000 + "true" + ")" * 10_000), "This policy nests deeper than 32 levels."),
    "10,000 lists": (rule("[" * 10_000 + "]" * 10_000 + " == []"), "This policy nests deeper than 32 levels."),
    "records in records": (rule("{a:" * 400 + "1" + "}" * 400 + " == 1"), "This policy nests deeper than 32 levels."),
    "negations": (rule("!" * 2_000 + "true"), "This policy chains more than 150 steps"),
    "a long and": (rule(" && ".join(["true"] * 1_000)), "This policy chains more than 150 steps"),
    "a long path": (rule("context" + ".a" * 1_000), "This policy chains more than 150 steps"),
    "ifs": (rule("if true then " * 400 + "true" + " else true" * 400), "This policy nests deeper than 32 levels."),
    "a list of 60,000": (rule("[" + "1," * 60_000 + "1].contains(1)"), "The text is longer than 100,000 words"),
    "a list of 4,002": (rule("[" + "1," * 4_001 + "1].contains(1)"), "This policy lists more than 4,000 things"),
    "3,000 conditions": (rule("true } when { " * 3_000 + "true"), "This policy is longer than 9,000 words and signs"),
    "10,000 policies": (many(10_000), "The text is longer than 524,288 characters."),
    "10,000 short policies": ("permit(principal,action,resource);" * 10_000, "A set holds at most 1,000 policies."),
    "semicolons": (";" * 500_000, "A set holds at most 1,000 policies."),
    "at signs": ("@" * 500_000, "The text is longer than 100,000 words and signs."),
    "words": ("a " * 2_500, "Unexpected token “a”."),
    "quotation marks": ('"' * 2_500, "Unexpected token"),
    "an open text": ('"' + "a" * 500_000, "This text has no closing quotation mark."),
    "huge": ("x" * (512 * 1024 + 1), "The text is longer than 524,288 characters."),
    "1,000 wrong words": (many(1_000, head="principal, actoin, resource"), "Found an invalid variable"),
    "1,000 templates": (many(1_000, head="principal == ?principal, action, resource"), "A template decides nothing"),
    "1,000 unknown arguments": (
        many(1_000, tail="when {{ context.arguments.x{} == 1 }}"),
        "erp.",
    ),
    "1,000 unknown tools": (
        many(1_000, head='principal, action == Action::"erp.x{}", resource'),
        "There is no tool or group of tools “erp.x0”.",
    ),
    "1,000 unknown teams": (many(1_000, more='@approval("finance-approverz{}:1")'), "There is no team"),
    "one name 1,000 times": ('@id("p") @says("s") permit (principal, action, resource);' * 1_000, "There is another"),
    "500 annotations": (
        "".join(f'@a{n}("x") ' for n in range(500)) + "permit (principal, action, resource);",
        "This policy has no name",
    ),
    "an annotation twice": ('@id("a") @id("b") @says("x") permit (principal, action, resource);', "Duplicate"),
    "a long name": ('@id("' + "a" * 500_000 + '") @says("a") permit (principal, action, resource);', "An @id is made"),
    "a long sentence": (
        '@id("a") @says("' + "a" * 500_000 + '") permit (principal, action, resource);',
        "@says is one sentence of at most 200 characters.",
    ),
    "a long word": (rule("context.arguments." + "a" * 500_000 + " == 1"), "erp."),
    "a number too large": (rule("context.run.calls > 99999999999999999999"), "Integer parse error: number too large"),
    "an impossible escape": (rule(r'context.environment == "\u{110000}"'), "The input “\\u{110000}” is not a valid"),
    "half a character": (
        rule('context.environment == "\ud800"'),
        "Here stands a character that cannot be seen: U+D800",
    ),
    "NUL": (rule('context.environment == "\0"'), "Here stands a character that cannot be seen: U+0000"),
    "NUL alone": ("\0", "Here stands a character that cannot be seen: U+0000"),
    "turned writing": (
        rule('context.environment == "\u202eproduction\u202c"'),
        "Here stands a character that cannot be seen: U+202E, right-to-left override. Take it out.",
    ),
    "turned writing in a remark": (
        "// \u2066 } when {\n" + rule("true"),
        "Here stands a character that cannot be seen",
    ),
    "turned writing, escaped": (
        r'@id("a") @says("\u{202e}sey") permit (principal, action, resource);',
        "@says holds a character that cannot be seen: U+202E, right-to-left override.",
    ),
    "a space without width": ('@id("p\u200b") @says("x") permit (principal, action, resource);', "Here stands a char"),
    "a name that looks like another": (
        '@id("\u0440") @says("x") permit (principal, action, resource);',
        "An @id is made of the letters a to z, digits, dots, hyphens and underscores, at most 80 of them. “р” is "
        "U+0440, cyrillic small letter er.",
    ),
    "a word that looks like another": (
        '@id("p") @says("x") p\u0435rmit (principal, action, resource);',
        "“е” (U+0435, cyrillic small letter ie) means nothing in Cedar, outside of quotation marks.",
    ),
    "a space of another width": ('@id("a")\u00a0@says("a") permit (principal, action, resource);', "U+00A0, no-break"),
    "a line end of another system": (
        '@id("a") // x\u2028@says("a") permit (principal, action, resource);',
        "Here stand",
    ),
    "a mark in the middle": (rule("true") + "\n\ufeff", "Here stands a character that cannot be seen: U+FEFF"),
}
# What is right, however odd, and must stay quick.
ACCEPTED: dict[str, str] = {
    "nothing": "",
    "remarks alone": "//x\n" * 120_000,
    "one long remark": "//" + "x" * 500_000,
    "blank lines": "\n" * 500_000,
    "1,000 policies": many(1_000, tail="when {{ context.run.calls > {} }}"),
    "a list of 3,000": rule("[" + "1, " * 2_980 + "1].contains(context.run.calls)"),
    "1,500 conditions": rule("true } when { " * 1_500 + "true"),
    "lists in lists": rule("[" * 8 + LIST + "]" * 8 + " == " + "[" * 8 + "1" + "]" * 8),
    "one long line": rule('context.environment == "' + "a" * 400_000 + '"'),
    "20,000 wildcards": rule('"a" like "' + "*a" * 20_000 + '"'),
    "24 alternatives": rule(" && ".join(f"(context.run.calls == {n} || context.run.steps == {n})" for n in range(24))),
    "joined letters": '@id("a") @says("\u0646\u0645\u06cc\u200c\u062e") permit (principal, action, resource);',
}


def main() -> None:
    import django

    django.setup()
    threading.stack_size(WEB_THREAD_STACK)
    for name, text in {**{name: text for name, (text, _) in REFUSED.items()}, **ACCEPTED}.items():
        print(json.dumps({"name": name}), flush=True)
        thread = threading.Thread(target=lambda name=name, text=text: print(json.dumps(tried(name, text)), flush=True))
        thread.start()
        thread.join()


def tried(name: str, text: str) -> dict[str, Any]:
    from apps.policies.cases import Bench
    from apps.policies.checking import Ground, check
    from apps.policies.differences import Content, difference
    from apps.policies.evaluation import decide
    from apps.policies.merging import DraftContent, merge
    from apps.policies.releases import load_release
    from apps.policies.verdicts import ReleaseRef
    from tests.policies.builders import CREDIT_POLICIES, call, known, permit

    around = known()
    bench = Bench({tool.name: tool for tool in around.tools}, {}, {}, "order-to-cash")
    ground = Ground(around, bench, frozenset(), {})
    seconds: dict[str, float] = {}

    def timed(step: str, act: Callable[[], Any]) -> Any:
        began = time.thread_time()
        try:
            return act()
        finally:
            seconds[step] = time.thread_time() - began

    mine, other = DraftContent(text, {}), DraftContent(CREDIT_POLICIES + permit(), {})
    checked = timed("check", lambda: check(mine, ground))
    change = timed("compare", lambda: difference(Content(CREDIT_POLICIES, {}), Content(text, {}), ground.setting))
    timed("merge", lambda: merge(DraftContent(CREDIT_POLICIES, {}), mine, other))
    loaded = timed("load", lambda: load_release(ReleaseRef("order-to-cash", 1, _hash(text)), text=text, parameters={}))
    verdict = timed("decide", lambda: decide(call(), [loaded]))
    return {
        "name": name,
        "problems": [problem.sentence for problem in checked.problems],
        "findings": len(checked.findings),
        "compared": change.problem or change.summary,
        "outcome": verdict.outcome,
        "errors": list(verdict.errors),
        "seconds": seconds,
    }


def _hash(text: str) -> str:
    from apps.core.errors import Invalid
    from apps.policies.releases import content_hash

    try:
        return content_hash(text, {})
    except Invalid:
        return ""


if __name__ == "__main__":
    main()
