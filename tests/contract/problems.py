"""What a refusal of the API looks like (RFC 9457), whoever it refuses and why."""

from typing import Any


def problem_of(answer: Any) -> tuple[int, str]:
    """(status, code) of a refusal in its right form: media type, the same status inside, a code, a sentence to read."""
    body = answer.json()
    assert answer["Content-Type"] == "application/problem+json", answer["Content-Type"]
    assert body["status"] == answer.status_code, body
    assert body["type"] == f"urn:meshconsole:problem:{body['code']}", body
    assert body["title"], body
    assert "{" not in body["title"], body
    assert len(body["detail"].split()) > 2, body
    assert body["detail"][-1] in ".!?", body
    assert body["request_id"] == answer["X-Request-Id"], body
    pointers_of(answer)
    return answer.status_code, body["code"]


def pointers_of(answer: Any) -> set[str]:
    """Where the problem says that something is wrong, each with a sentence."""
    errors = answer.json().get("errors", [])
    assert all(error["sentence"] for error in errors)
    pointers = {error["pointer"] for error in errors}
    # the framework's word for the thing itself, which no body has as a member
    assert not any("non_field_errors" in pointer for pointer in pointers), pointers
    return pointers
