"""The browser of the browser tests: found, or installed where that is ours to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from meshconsole.local.terminal import Trouble, complain, say

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "There is no Chromium here, so the browser tests cannot run. Install one (Debian: apt-get install chromium), "
    "or name it: CHROMIUM=/path/to/chromium"
)


def environment() -> dict[str, str]:
    """CHROMIUM for the tests. Without a browser: Trouble in CI, a loud sentence elsewhere."""
    if path := find() or install():
        return {"CHROMIUM": path}
    if os.environ.get("CI"):
        raise Trouble(f"{MISSING}\nCI is set, and there no browser test may be skipped.")
    complain(f"\n{'!' * 100}\n{MISSING}\n{'!' * 100}")
    return {}


def find() -> str | None:
    """The browser that CHROMIUM names, else the first on the PATH. A named one that does not exist is Trouble."""
    if named := os.environ.get("CHROMIUM"):
        if shutil.which(named) is None:
            raise Trouble(f"CHROMIUM names {named}, which is not a program.")
        return named
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install() -> str | None:
    """Debian's own Chromium, where we are root and this is Debian. None when it could not be had."""
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists() or shutil.which("apt-get") is None:
        return None
    say("Installing Chromium for the browser tests …")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        done = subprocess.run(["apt-get", "-q", *command], env=quiet, capture_output=True, text=True)
        if done.returncode:
            complain(f"apt-get {command[0]} failed:\n{done.stderr[-2000:]}")
    path = find()
    if path is None or subprocess.run([path, "--version"], capture_output=True).returncode:
        return None
    return path
