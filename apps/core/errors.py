"""The error family. Each has a stable code for programs and a sentence for people; two places turn them into answers.

`apps.core.rest.problem_response` answers programs (RFC 9457), `apps.core.middleware.errors_as_pages` answers people.
Anything else that is raised is a bug: it rises and is logged once.
"""

from typing import Any, ClassVar


class MeshError(Exception):
    """A refusal with a `code`, a `sentence` and, for programs, extra members in `details`."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, code: str, sentence: str, *, retry_after_seconds: int | None = None, **details: Any) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence
        self.retry_after_seconds = retry_after_seconds
        self.details = details


class BadRequest(MeshError):
    """The request cannot be read at all."""

    status = 400
    title = "Unreadable request"


class TooLarge(MeshError):
    """The request is larger than anything sane."""

    status = 413
    title = "Request too large"


class NotAuthenticated(MeshError):
    """Nobody, or somebody whose proof does not hold."""

    status = 401
    title = "Sign-in needed"


class NotFound(MeshError):
    """It is not there, or this actor may not know that it is (I13)."""

    status = 404
    title = "Not found"

    def __init__(self, code: str, sentence: str = "There is nothing here that you may see.", **details: Any) -> None:
        super().__init__(code, sentence, **details)


class NotAllowed(MeshError):
    """The actor sees it and may not do this."""

    status = 403
    title = "Not allowed"


class Invalid(MeshError):
    """The input has the right form and the wrong meaning. `errors` may carry [{"pointer", "sentence"}]."""

    status = 422
    title = "Invalid input"


class Conflict(MeshError):
    """The state has moved on, or the request contradicts an earlier one."""

    status = 409
    title = "Conflict"


class Gone(MeshError):
    """It was there, and its content was erased."""

    status = 410
    title = "Erased"


class PreconditionFailed(MeshError):
    """What the request starts from is not what is there now."""

    status = 412
    title = "Changed since"


class PreconditionRequired(MeshError):
    """The request does not say what it starts from."""

    status = 428
    title = "Condition needed"


class Halted(MeshError):
    """A halt that a person placed covers this."""

    status = 423
    title = "Halted"


class Exhausted(MeshError):
    """A budget, a rate or a capacity is used up; trying later may help."""

    status = 429
    title = "Exhausted"


class Unavailable(MeshError):
    """A part this needs does not answer; trying later may help."""

    status = 503
    title = "Unavailable"


class ConnectorError(MeshError):
    """A business system did not do what it was asked.

    `effect` says what is known of the effect: "none" (it certainly did not happen) or "unknown". `permanent` is True
    when asking again would not help.
    """

    status = 502
    title = "The business system did not answer as agreed"

    def __init__(self, code: str, sentence: str, *, effect: str, permanent: bool = False, **details: Any) -> None:
        super().__init__(code, sentence, **details)
        self.effect = effect
        self.permanent = permanent
