"""Sending one message: e-mail through Django's mail server, everything else through Apprise. One try each; whether it
is tried again is the caller's business.

Apprise gets parts that `addresses` has read, never an address as somebody typed it, and is told to follow no redirect,
to keep nothing and to read no template. Its log is kept out of ours, because it names tokens; from it only the status
of the answer is taken.
"""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from apprise import Apprise, AppriseAsset, NotifyFormat
from apprise.plugins.base import NotifyBase
from apprise.plugins.custom_json import NotifyJSON
from apprise.plugins.slack import NotifySlack
from apprise.plugins.workflows import NotifyWorkflows
from django.conf import settings
from django.core.mail import EmailMessage

from apps.core.addresses import addresses_of, are_public
from apps.core.errors import MeshError
from apps.notifications.addresses import Address, SlackAddress, TeamsAddress, WebhookAddress
from apps.notifications.wording import Message

CONNECT_SECONDS = 4.0
READ_SECONDS = 8.0
PRODUCT = "Mesh Console"
STATUS = re.compile(r"error=(\d{3})\b")
# Nobody is to answer these, and no absence notice either (RFC 3834).
MAIL_HEADERS = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}

_apprise_log = logging.getLogger("apprise")
_apprise_log.propagate = False
_apprise_log.addHandler(logging.NullHandler())
_apprise_log.setLevel(logging.WARNING)
# At DEBUG it writes down paths, and the path of a webhook is its secret.
logging.getLogger("urllib3").setLevel(logging.WARNING)


class NotSent(MeshError):
    """The message did not arrive, as far as is known. `permanent`: trying again would not help."""

    status: ClassVar[int] = 502
    title: ClassVar[str] = "The message was not delivered"

    def __init__(self, code: str, sentence: str, *, permanent: bool = False) -> None:
        super().__init__(code, sentence)
        self.permanent = permanent


def is_mail_set_up() -> bool:
    """Whether this installation has a mail server to send through, and an address to send from."""
    return bool(settings.EMAIL_HOST and settings.NOTIFY_FROM)


def send_mail(*, to: str, message: Message, foot: str) -> None:
    """One plain mail to one person. Raises NotSent. Never called inside a transaction."""
    if not is_mail_set_up():
        raise NotSent("notification.mail_off", "E-mail is not set up in this installation.", permanent=True)
    if not to:
        raise NotSent("notification.no_mailbox", "The account has no e-mail address.", permanent=True)
    body = "\n\n".join(part for part in (message.text, message.url, foot) if part)
    mail = EmailMessage(f"{PRODUCT}: {message.title}", body, settings.NOTIFY_FROM, [to], headers=MAIL_HEADERS)
    try:
        mail.send()
    except OSError as error:  # every error of SMTP is one
        # its words quote the addresses
        answer = getattr(error, "smtp_code", None)
        raise NotSent(
            "notification.mail_failed",
            f"The mail server refused it ({answer})." if answer else "The mail server did not take it.",
        ) from None


def post(address: Address, message: Message) -> None:
    """One message to a room or a program. Raises NotSent. Never called inside a transaction."""
    if not isinstance(address, SlackAddress):
        _check_host(address.host)
    sender = Apprise(_plugin(address))
    with _statuses() as statuses:
        arrived = sender.notify(body=_body(address, message), title=message.title, body_format=NotifyFormat.TEXT)
    if not arrived:
        raise _not_sent(address.host, statuses)


def _body(address: Address, message: Message) -> str:
    """A card of Teams breaks lines only between paragraphs, and links only what is marked as a link."""
    text, link = message.text, message.url
    if isinstance(address, TeamsAddress):
        text, link = text.replace("\n", "\n\n"), f"[{PRODUCT}]({link})" if link else ""
    return "\n\n".join(part for part in (text, link) if part)


def _asset() -> AppriseAsset:
    return AppriseAsset(
        app_id=PRODUCT,
        app_desc=PRODUCT,
        app_url=settings.BASE_URL,
        async_mode=False,
        http_redirects=False,
        image_url_mask="",
        image_url_logo="",
        image_path_mask="",
        interpret_emojis=False,
        interpret_escapes=False,
        pem_autogen=False,
        pgp_autogen=False,
        storage_mode="memory",
    )


def _plugin(address: Address) -> NotifyBase:
    """Apprise's sender for the address. What is not named here has Apprise's default, and nobody can set it."""
    sender, parts = _slack(address) if isinstance(address, SlackAddress) else _host(address)
    return sender(asset=_asset(), cto=CONNECT_SECONDS, rto=READ_SECONDS, include_image=False, **parts)


Parts = tuple[type[NotifyBase], dict[str, Any]]


def _slack(address: SlackAddress) -> Parts:
    """As plain text: in its own markup Apprise would let mentions and links through."""
    first, second, third = address.tokens
    return NotifySlack, {
        "schema": "slack",
        "mode": "gov-hook" if address.is_government else "hook",
        "token_a": first,
        "token_b": second,
        "token_c": third,
        "include_footer": False,
        "format": "text",
    }


def _host(address: TeamsAddress | WebhookAddress) -> Parts:
    if isinstance(address, TeamsAddress):
        return NotifyWorkflows, {
            "schema": "workflows",
            "host": address.host,
            "port": address.port,
            "workflow": address.workflow,
            "signature": address.signature,
            "power_automate": address.is_power_automate,
            "routing_id": address.route,
            "version": address.version,
        }
    return NotifyJSON, {
        "schema": "jsons" if address.is_secure else "json",
        "secure": address.is_secure,
        "method": "POST",
        "host": f"[{address.host}]" if ":" in address.host else address.host,
        "port": address.port,
        "fullpath": address.path,
        "user": address.user,
        "password": address.password,
    }


def _check_host(host: str) -> None:
    """Only public addresses, unless the installation says otherwise. Looked up again at every sending."""
    if settings.NOTIFY_ALLOW_PRIVATE:
        return
    try:
        addresses = addresses_of(host)
    except OSError:
        raise _unreachable(host) from None
    if not are_public(addresses):
        raise NotSent("notification.private_address", f"{host} is a private address.", permanent=True)


class _Statuses(logging.Handler):
    """The statuses that Apprise logs for what this thread sends."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.thread = threading.get_ident()
        self.found: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.found += [int(status) for status in STATUS.findall(record.getMessage())]


@contextmanager
def _statuses() -> Iterator[list[int]]:
    handler = _Statuses()
    _apprise_log.addHandler(handler)
    try:
        yield handler.found
    finally:
        _apprise_log.removeHandler(handler)


def _not_sent(host: str, statuses: list[int]) -> NotSent:
    if not statuses:
        return _unreachable(host)
    return NotSent("notification.refused", f"{host} answered {statuses[-1]}.")


def _unreachable(host: str) -> NotSent:
    return NotSent("notification.unreachable", f"{host} cannot be reached, or does not answer in time.")
