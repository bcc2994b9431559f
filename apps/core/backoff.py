"""How long to wait before trying again: twice as long each time, and never at the same moment as everybody else.

What failed together would come back together, and knock over again what has just come back. So each wait is drawn
anew from nothing to twice the plain doubling (full jitter), whose mean is the plain doubling.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

# Beyond this many doublings every wait is the longest one.
MOST_DOUBLINGS = 30

_fixed_share: float | None = None


def wait_seconds(
    tries_before: int, *, first: float, longest: float, grows_by: float = 2, at_least_share: float = 0
) -> float:
    """Seconds to wait after a try that failed, with so many failures before it; never more than `longest`.

    `first` is the mean after the first failure. `at_least_share` is of the plain doubling, for whoever must not ask
    again too soon.
    """
    plain = min(first * grows_by ** min(max(tries_before, 0), MOST_DOUBLINGS), longest)
    highest = min(2 * plain, longest)
    lowest = min(at_least_share * plain, highest)
    share = random.random() if _fixed_share is None else _fixed_share  # noqa: S311  nobody gains by guessing it
    return lowest + share * (highest - lowest)


@contextmanager
def fixed(share: float) -> Iterator[None]:
    """Draw every wait at this share of its range: 0 the shortest, 1 the longest. For tests."""
    global _fixed_share
    before, _fixed_share = _fixed_share, share
    try:
        yield
    finally:
        _fixed_share = before
