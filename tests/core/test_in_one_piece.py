"""What the web server is given: an answer that is there as a whole as a list, anything else as it came."""

from collections.abc import Iterable
from typing import Any

import pytest
from django.core.signals import request_finished
from django.http import HttpResponse, StreamingHttpResponse

from meshconsole.wsgi import in_one_piece


class Answers:
    """An application with one answer to everything."""

    def __init__(self, answer: Iterable[bytes]) -> None:
        self.answer = answer

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self.answer


def given(answer: Iterable[bytes]) -> Iterable[bytes]:
    return in_one_piece(Answers(answer))({}, lambda *_: None)


@pytest.fixture
def finished() -> Any:
    """How many requests are at their end."""
    seen: list[object] = []

    def note(**_: object) -> None:
        seen.append(None)

    request_finished.connect(note)
    yield seen
    request_finished.disconnect(note)


def test_a_whole_answer_is_a_list_and_its_request_is_at_its_end(finished: list[object]) -> None:
    response = HttpResponse(b"all of it")
    assert given(response) == [b"all of it"]
    assert response.closed
    assert len(finished) == 1


def test_a_stream_goes_on_after_the_view(finished: list[object]) -> None:
    response = StreamingHttpResponse(iter([b"one", b"two"]))
    answer = given(response)
    assert answer is response
    assert not finished
    assert list(answer) == [b"one", b"two"]


def test_what_is_no_answer_of_djangos_is_left_as_it_is() -> None:
    file = iter([b"a"])
    assert given(file) is file
