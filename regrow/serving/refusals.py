"""What the server says when it does not answer a request."""

from regrow.errors import InvalidRequest, ServingError

STATUSES = {
    "unsupported_media_type": 415,
    "too_many_rows": 413,
    "malformed_request": 400,
    "invalid_json": 400,
    "invalid_csv": 400,
}
"""The HTTP status of a request that does not fit a model, by its code; any other code is 422."""


class Refused(InvalidRequest):
    """A request that cannot be answered as it is, with the HTTP status that the server gives it."""

    def __init__(self, status: int, code: str, message: str, column: str | None = None) -> None:
        super().__init__(code, message, column)
        self.status = status


class Unavailable(ServingError):
    """The server cannot answer now: no champion, too many requests waiting, no room for the journal."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def status_of(error: InvalidRequest) -> int:
    """Return the HTTP status of *error*."""
    return error.status if isinstance(error, Refused) else STATUSES.get(error.code, 422)


def misfit(code: str, message: str, column: str) -> Refused:
    """Make the refusal of a request whose *column* does not fit."""
    return Refused(422, code, message, column)


def malformed(message: str, code: str = "malformed_request") -> Refused:
    """Make the refusal of a request that does not follow the protocol."""
    return Refused(400, code, message)
