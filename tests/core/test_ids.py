"""Identifiers made at once, in several threads and in a child, are different ones and in order."""

import os
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from apps.core.ids import uuid7

# More than one draw of random bits, so that threads meet at its end.
MANY = 3000


def test_ids_of_one_thread_are_in_the_order_they_were_made() -> None:
    made = [uuid7() for _ in range(MANY)]
    assert [one.int >> 64 for one in made] == sorted(one.int >> 64 for one in made)
    assert {one.version for one in made} == {7}


def test_no_two_threads_draw_the_same() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [one for some in pool.map(lambda _: [uuid7() for _ in range(MANY)], range(8)) for one in some]
    assert len({_random(one) for one in made}) == 8 * MANY


def test_a_child_draws_others_than_its_parent() -> None:
    uuid7()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, uuid7().bytes)
        os._exit(0)
    os.waitpid(child, 0)
    theirs = UUID(bytes=os.read(reading, 16))
    os.close(reading)
    os.close(writing)

    assert _random(theirs) not in {_random(uuid7()) for _ in range(MANY)}


def _random(made: UUID) -> int:
    return made.int & (1 << 62) - 1
