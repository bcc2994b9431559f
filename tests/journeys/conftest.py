"""One live installation for the journeys, and a browser that looks at it."""

from collections.abc import Iterator

import pytest

from tests.live import LiveConsole


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveConsole]:
    """Web server, worker, beat and the example's ERP, with the order-to-cash world loaded."""
    console = LiveConsole(tmp_path_factory.mktemp("live"))
    try:
        console.start_all()
        yield console
    finally:
        console.stop()
