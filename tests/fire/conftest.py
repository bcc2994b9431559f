"""An installation of its own for each proof: the books of one must not hold the calls of another."""

from collections.abc import Iterator

import pytest

from tests.fire.installation import Installation


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("fire")).running() as up:
        yield up
