"""The collected static files of a home, made anew only when their sources differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from meshconsole.local.home import Home, write_private
from meshconsole.local.launch import CHECKOUT, RUNTIME
from meshconsole.local.steps import Steps


def collect(home: Home, steps: Steps, environment: Mapping[str, str]) -> None:
    """Runs collectstatic into STATIC_ROOT unless it holds the result for exactly these sources."""
    root = Path(environment["STATIC_ROOT"])
    stamp, wanted = home.path / "static.stamp", f"{root} {fingerprint(CHECKOUT)}"
    if root.is_dir() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    steps.run("Collecting static files", "manage.py", "collectstatic", "--noinput", environment=environment)
    write_private(stamp, wanted)


def fingerprint(checkout: Path) -> str:
    """A hash of all that collectstatic reads: our files, the lock that stands for the packages' files, the settings."""
    digest = hashlib.sha256()
    for path in sources(checkout):
        digest.update(f"{path.relative_to(checkout)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def sources(checkout: Path) -> Iterator[Path]:
    yield from (checkout / RUNTIME, checkout / "meshconsole" / "settings.py")
    for directory in [checkout / "static", *sorted(checkout.glob("apps/*/static"))]:
        yield from (path for path in sorted(directory.rglob("*")) if path.is_file())
