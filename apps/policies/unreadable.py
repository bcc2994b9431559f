"""Active releases that cannot be read: after a restored backup, on a bad disk, under a changed library. Everything they
have a say in is denied; here is which they are, for every page at the price of none.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from apps.core.generations import CONFIGURATION, Moment
from apps.core.memory import Remembered
from apps.policies.models import ActiveRelease, PolicyRelease, UnreadableRelease
from apps.policies.queries import ref_of, releases_by_id
from apps.policies.releases import LoadedRelease, load_release


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One that decides in an environment and cannot be read. `process_id` is None of the global set, which closes
    everything.
    """

    policy_set: str
    process_id: UUID | None
    environment: str
    version: int
    why: str
    noticed_at: dt.datetime | None

    @property
    def sentence(self) -> str:
        whose = f"of {self.policy_set}" if self.process_id else "of every process"
        return (
            f"The policies {self.policy_set}@{self.version} cannot be read: "
            f"every call {whose} in {self.environment} is denied."
        )


_found: Remembered[str, tuple[Unreadable, ...]] = Remembered(CONFIGURATION, size=1)


def unreadable_releases(moment: Moment | None = None) -> tuple[Unreadable, ...]:
    """What was noted down by whoever noticed it, and what this process itself cannot read."""
    return _found.get("", _read, moment=moment) or ()


def _read() -> tuple[Unreadable, ...]:
    noted = {(row.release_id, row.environment): row for row in UnreadableRelease.objects.all()}
    active = list(ActiveRelease.objects.select_related("policy_set").order_by("policy_set__slug", "environment"))
    loaded = releases_by_id({row.release_id for row in active})
    found = []
    for row in active:
        note, release = noted.get((row.release_id, row.environment)), loaded[row.release_id]
        if note is not None or release.problem:
            why = release.problem or (note.why if note else "")
            noticed_at = note.noticed_at if note else None
            process_id, version = row.policy_set.process_id, release.ref.version
            found.append(Unreadable(row.policy_set.slug, process_id, row.environment, version, why, noticed_at))
    return tuple(found)


def part_of_health() -> str:
    """“ok”, or how many. Without names: anybody may ask."""
    count = len(unreadable_releases())
    return f"{count} active release{'s' if count > 1 else ''} cannot be read" if count else "ok"


def read_afresh(release: PolicyRelease) -> LoadedRelease:
    """As the row is now, whatever this process remembers of it. Reads the set: select it with the release."""
    return load_release(ref_of(release), text=release.text, parameters=release.parameters)
