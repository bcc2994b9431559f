"""One installation for all that is tried on it."""

from collections.abc import Iterator

import pytest

from tests.fire.installation import Installation


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("fire")).running() as up:
        yield up
