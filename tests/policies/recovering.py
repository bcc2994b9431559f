"""Active releases as a bad disk or a restored backup leaves them."""

import pgtrigger

from apps.policies import releases as loading
from apps.policies.models import ActiveRelease, PolicyRelease
from tests.policies.reviewing import SET


def active(policy_set: str = SET, environment: str = "production") -> PolicyRelease:
    return ActiveRelease.objects.get(policy_set__slug=policy_set, environment=environment).release


def spoil(release: PolicyRelease, **columns: object) -> None:
    """What a bad disk or a restored backup leaves, seen by a process that starts after it."""
    with pgtrigger.ignore("policies.PolicyRelease:immutable"):
        PolicyRelease.objects.filter(id=release.id).update(**(columns or {"text": release.text[:-40]}))
    forget()


def forget() -> None:
    """As a process that has just begun: no memory of releases, and none of what is active."""
    loading._releases.clear()
    ActiveRelease.objects.filter(environment="nowhere").update(environment="nowhere")
