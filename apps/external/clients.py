"""Posting a webhook to wherever a caller said. The address is a stranger's word, so all of it is bounded: where it may
lead, how long it may take, and how much it may answer.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings

from apps.core.outward import AnswerLost, CannotBeAsked, Outward, PrivateAddress, TookTooLong, Unreachable, Untrusted

# From looking up the name to the last header of the answer.
TOTAL_SECONDS = 10
GONE = 410


class WebhookRefused(Exception):
    """The receiver did not take it. `permanent` when asking again would not help."""

    def __init__(self, sentence: str, *, permanent: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.permanent = permanent


def post_webhook(url: str, *, headers: Mapping[str, str], body: bytes) -> None:
    """Returns when the receiver answered 2xx. Raises WebhookRefused for everything else.

    A redirect is an answer like any other that is not 2xx: following it would send what was signed to somebody else.
    The body of the answer is never read. Certificates are verified; proxies of the environment are not used.
    """
    own = {"host": urlsplit(url).netloc, "content-type": "application/json", "user-agent": "mesh-console"}
    try:
        answer = _outward(os.getpid()).send(
            "POST", url, headers=own | dict(headers), body=body, seconds=TOTAL_SECONDS, most_bytes=0
        )
    except PrivateAddress:
        raise WebhookRefused("The receiver resolves to a private address, which is not allowed.") from None
    except Untrusted:
        raise WebhookRefused("The receiver's certificate cannot be trusted.") from None
    except Unreachable:
        raise WebhookRefused("The receiver cannot be reached.") from None
    except TookTooLong:
        raise WebhookRefused(f"The receiver did not answer within {TOTAL_SECONDS} seconds.") from None
    except (AnswerLost, CannotBeAsked):
        raise WebhookRefused("The receiver's answer was lost on the way or is not HTTP.") from None
    if not 200 <= answer.status < 300:
        raise WebhookRefused(f"The receiver answered {answer.status}.", permanent=answer.status == GONE)


@lru_cache(maxsize=2)
def _outward(process_id: int) -> Outward:
    """No connection is kept: a receiver is a stranger, and the next one another."""
    return Outward(may_be_private=lambda: bool(settings.EXTERNAL_ALLOW_PRIVATE), most_connections=16, most_kept=0)
