"""Reading the address a provider gives out for a channel. Only known forms are taken, and from those only known parts:
Apprise never sees what a person typed, because its own URLs can name files, templates and redirects.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, urlsplit

from django.conf import settings

from apps.core.errors import Invalid
from apps.notifications.models import ChannelKind

MOST_CHARACTERS = 1000
VISIBLE_ASCII = re.compile(r"[!-~]+")
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|[0-9a-f:.]{2,45}")
SLACK_HOSTS = {"hooks.slack.com": False, "hooks.slack-gov.com": True}
SLACK_TOKENS = re.compile(r"/(?:services/)?([A-Z0-9]+)/([A-Z0-9]+)/([A-Z0-9]+)/?", re.IGNORECASE)
# Where Microsoft runs Teams' workflows: logic apps, and Power Automate since 2025.
TEAMS_HOSTS = (".logic.azure.com", ".logic.azure.us", ".api.powerplatform.com", ".api.powerplatform.us")
TEAMS_PATH = re.compile(
    r"(?P<automate>/powerautomate/automations/direct(?:/cu/(?P<route>[0-9]+))?)?"
    r"/workflows/(?P<workflow>[A-Z0-9_-]+)/triggers/manual/paths/invoke/?",
    re.IGNORECASE,
)
SIGNATURE = re.compile(r"[A-Z0-9_-]+", re.IGNORECASE)
VERSION = re.compile(r"[A-Z0-9.-]{1,40}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SlackAddress:
    """An incoming webhook of Slack: three tokens, the third of them the secret."""

    host: str
    tokens: tuple[str, str, str] = field(repr=False)
    is_government: bool = False


@dataclass(frozen=True, slots=True)
class TeamsAddress:
    """A workflow of Teams that posts what it receives."""

    host: str
    port: int | None
    workflow: str = field(repr=False)
    signature: str = field(repr=False)
    is_power_automate: bool = False
    route: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookAddress:
    """Anything that takes JSON by POST. `path` has the query with it."""

    host: str
    port: int | None
    is_secure: bool
    path: str = field(repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


Address = SlackAddress | TeamsAddress | WebhookAddress


def read(kind: str, text: str) -> Address:
    """The address in its parts. Raises Invalid, never quoting it, for what is not of the kind's known forms."""
    if len(text) > MOST_CHARACTERS or not VISIBLE_ASCII.fullmatch(text) or "\\" in text:
        raise bad_address("This is not a web address.")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise bad_address("This is not a web address.") from None
    if kind == ChannelKind.SLACK:
        return _slack(url)
    if kind == ChannelKind.TEAMS:
        return _teams(url, port)
    if kind == ChannelKind.WEBHOOK:
        return _webhook(url, port)
    raise Invalid("notification.bad_kind", "Channels of this kind have no address of their own.")


def bad_address(sentence: str) -> Invalid:
    return Invalid("notification.bad_address", sentence, errors=[{"pointer": "/address", "sentence": sentence}])


def _slack(url: SplitResult) -> SlackAddress:
    """`https://hooks.slack.com/services/…/…/…`, or Apprise's `slack://…/…/…`."""
    host, path = url.hostname or "", url.path
    if url.scheme == "slack":
        # its host is the first token, and tokens tell capitals apart
        host, path = "hooks.slack.com", f"/{url.netloc}{url.path}"
    elif url.scheme != "https":
        host = ""
    tokens = SLACK_TOKENS.fullmatch(path)
    if host not in SLACK_HOSTS or tokens is None:
        raise bad_address("An incoming webhook of Slack begins with https://hooks.slack.com/services/.")
    return SlackAddress(host, (tokens[1], tokens[2], tokens[3]), SLACK_HOSTS[host])


def _teams(url: SplitResult, port: int | None) -> TeamsAddress:
    """What “Post to a channel when a webhook request is received” gives out."""
    host = url.hostname or ""
    path = TEAMS_PATH.fullmatch(url.path)
    query = parse_qs(url.query)
    [signature], [version] = query.get("sig", [""])[:1], query.get("api-version", [""])[:1]
    if url.scheme != "https" or not host.endswith(TEAMS_HOSTS) or path is None or not SIGNATURE.fullmatch(signature):
        raise bad_address(
            "A workflow of Teams has an address at logic.azure.com or api.powerplatform.com that ends in its signature."
        )
    return TeamsAddress(
        host=host,
        port=port,
        workflow=path["workflow"],
        signature=signature,
        is_power_automate=path["automate"] is not None,
        route=path["route"],
        version=version if VERSION.fullmatch(version) else None,
    )


def _webhook(url: SplitResult, port: int | None) -> WebhookAddress:
    """`https://…`, or Apprise's `jsons://…`; without TLS only where private addresses are allowed."""
    is_secure = url.scheme in ("https", "jsons")
    if not is_secure and not (url.scheme in ("http", "json") and settings.NOTIFY_ALLOW_PRIVATE):
        raise bad_address("A webhook has an address that begins with https://.")
    host = (url.hostname or "").lower()
    if not HOST.fullmatch(host):
        raise bad_address("This address names no host.")
    return WebhookAddress(
        host=host,
        port=port,
        is_secure=is_secure,
        path=(url.path or "/") + (f"?{url.query}" if url.query else ""),
        user=url.username or "",
        password=url.password or "",
    )
