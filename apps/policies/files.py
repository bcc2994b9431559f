"""A set as plain files in a directory, to be kept beside other code: `policy.cedar`, `parameters.json` and `tests.yaml`
or `tests.json`.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from apps.core.errors import Invalid
from apps.policies.cases import case_problems
from apps.policies.characters import tidy
from apps.policies.merging import DraftContent

TEXT, PARAMETERS = "policy.cedar", "parameters.json"
TESTS = ("tests.yaml", "tests.yml", "tests.json")
MOST_BYTES = 1024 * 1024


def read_directory(directory: Path) -> DraftContent:
    """Raises Invalid with a sentence for what is missing or cannot be read. Parameters and tests may be absent."""
    if not (directory / TEXT).is_file():
        raise Invalid("policy.no_files", f"There is no {TEXT} in {directory}.")
    parameters = _parsed(directory / PARAMETERS) if (directory / PARAMETERS).is_file() else {}
    if not isinstance(parameters, dict):
        raise Invalid("policy.bad_files", f"{PARAMETERS} is not an object of named parameters.")
    found = [directory / name for name in TESTS if (directory / name).is_file()]
    if len(found) > 1:
        raise Invalid("policy.bad_files", f"There are {' and '.join(path.name for path in found)}; keep one of them.")
    cases = (_parsed(found[0]) or []) if found else []
    if problems := case_problems(cases):
        raise Invalid("policy.bad_files", f"{found[0].name}{problems[0]['pointer']}: {problems[0]['sentence']}")
    return DraftContent(tidy(_read(directory / TEXT)), parameters, tuple(cases))


def write_directory(directory: Path, content: DraftContent) -> list[Path]:
    """Write the files, over those that are there. Returns them."""
    directory.mkdir(parents=True, exist_ok=True)
    documents = {
        TEXT: content.text,
        PARAMETERS: json.dumps(dict(content.parameters), indent=2, ensure_ascii=False) + "\n",
        TESTS[0]: yaml.safe_dump(list(content.cases), sort_keys=False, allow_unicode=True),
    }
    for name, text in documents.items():
        (directory / name).write_text(text, encoding="utf-8")
    return [directory / name for name in documents]


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Invalid("policy.bad_files", f"{path.name} is larger than 1 MiB.")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid("policy.bad_files", f"{path.name} cannot be read: {error}.") from None


def _parsed(path: Path) -> Any:
    text = _read(path)
    try:
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        kind = "JSON" if path.suffix == ".json" else "YAML"
        raise Invalid("policy.bad_files", f"{path.name} is not {kind}: {error}.") from None
