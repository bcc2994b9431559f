"""What is read of people with an actor in mind."""

from django.db.models import QuerySet

from apps.accounts.models import PersonalToken, User
from apps.core.actor import Actor
from apps.core.errors import NotAllowed


def is_administrator(actor: Actor) -> bool:
    """A superuser in person, or the product itself on its operator's word."""
    if actor.is_system:
        return True
    return actor.is_person and User.objects.filter(pk__in=[actor.id], is_active=True, is_superuser=True).exists()


def require_administrator(actor: Actor) -> None:
    """Raises NotAllowed for everyone else: people, teams and roles are theirs to give."""
    if not is_administrator(actor):
        raise NotAllowed("permission.missing", "Only an administrator may change people, teams and roles.")


def tokens_of(actor: Actor) -> QuerySet[PersonalToken]:
    """The actor's own personal tokens, ended ones included."""
    if not actor.is_person:
        return PersonalToken.objects.none()
    return PersonalToken.objects.filter(user=actor.id)
