"""Broken, huge, deep and tricky texts: a sentence for each, in bounded time and memory, and the process lives."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.policies.broken_texts import ACCEPTED, REFUSED

ROOT = Path(__file__).resolve().parents[2]
# Processor time: what a person waits for while typing, and what comparing the largest set there may be takes.
MOST_SECONDS = {"check": 2.0, "compare": 4.0, "merge": 4.0, "load": 2.0, "decide": 1.0}
MOST_BYTES = 3 * 1024**3


@pytest.fixture(scope="module")
def answers() -> dict[str, dict]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.policies.broken_texts"],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES)),
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"ended at {lines[-1]['name'] if lines else 'the start'}: {done.stderr[-2000:]}"
    return {line["name"]: line for line in lines if "seconds" in line}


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_text_gets_a_clear_answer(answers, name):
    answer, (_, sentence) = answers[name], REFUSED[name]
    assert answer["problems"][0].startswith(sentence)
    assert len(answer["problems"]) <= 101
    assert all(each.endswith((".", "?", "…")) and len(each) <= 501 for each in answer["problems"])
    assert answer["compared"]
    assert answer["outcome"] in ("allow", "deny", "require_approval")
    assert all(len(each) < 500 for each in answer["errors"])


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_odd_text_that_is_right_is_taken(answers, name):
    assert answers[name]["problems"] == []
    assert answers[name]["errors"] == []


@pytest.mark.parametrize("name", [*REFUSED, *ACCEPTED])
def test_no_text_takes_long(answers, name):
    slow = {step: seconds for step, seconds in answers[name]["seconds"].items() if seconds > MOST_SECONDS[step]}
    assert not slow
