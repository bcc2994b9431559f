"""The six people one can sign in as with a click, where the installation is a demo.

Marked by their names and by addresses under example.com, which nobody real can have (RFC 2606). An administrator is
never one of them, and without `DEMO` nobody is.
"""

from dataclasses import dataclass

from django.conf import settings

from apps.accounts.models import User

LABELS = {
    "dana": "Dana (finance approver)",
    "carla": "Carla (CFO office)",
    "omar": "Omar (on-call operator)",
    "chen": "Chen (compliance officer)",
    "priya": "Priya (process owner)",
    "alex": "Alex (platform engineer)",
}


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """One button of the sign-in page: “Sign in as {label}”."""

    user: User
    label: str

    @property
    def username(self) -> str:
        return self.user.username


def demo_people() -> list[DemoPerson]:
    """Those of the six that exist, in their order; none where this is no demo."""
    if not settings.DEMO:
        return []
    users = User.objects.filter(username__in=LABELS, is_active=True, is_superuser=False, is_staff=False)
    found = {user.username: user for user in users if user.email == f"{user.username}@example.com"}
    return [DemoPerson(found[username], label) for username, label in LABELS.items() if username in found]


def demo_person(username: str) -> User | None:
    """The person behind a button, None when there is no such button."""
    return next((person.user for person in demo_people() if person.username == username), None)
