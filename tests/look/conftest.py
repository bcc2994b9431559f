"""The machine's own Chromium for the behaviours' tests."""

import os
import shutil
from typing import Any

import pytest


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium")
    # Chromium's sandbox refuses to run as root.
    args = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, **({"executable_path": executable} if executable else {}), "args": args}
