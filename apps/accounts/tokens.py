"""Personal tokens: long random secrets of which the database keeps the digest alone."""

import hashlib
import secrets

from apps.accounts.models import PersonalToken
from apps.core import clock
from apps.core.errors import NotAuthenticated

# So that a secret scanner knows one when it sees one.
PREFIX = "mcp_"
SECRET_BYTES = 32


def new_secret(prefix: str = PREFIX) -> str:
    """256 random bits behind the prefix. With so many, a plain hash is enough: there is nothing to guess."""
    return prefix + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> str:
    """SHA-256 in hex: what the database keeps of a secret it has to recognise and never to tell."""
    return hashlib.sha256(secret.encode()).hexdigest()


def token_for(secret: str) -> PersonalToken:
    """The token, with its person, in one query. Raises NotAuthenticated with the reason it does not hold."""
    token = PersonalToken.objects.select_related("user").filter(digest=digest_of(secret)).first()
    if token is None:
        raise NotAuthenticated("token.invalid", "This token is not known here.")
    if token.revoked_at is not None:
        raise NotAuthenticated("token.revoked", "This token was revoked.")
    if token.expires_at <= clock.now():
        raise NotAuthenticated("token.expired", "This token has expired. Make a new one.")
    if not token.user.is_active:
        raise NotAuthenticated("token.revoked", "The person this token belongs to was deactivated.")
    return token
