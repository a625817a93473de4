"""What the server says when it does not answer a request."""

from regrow.errors import InvalidRequest, ServingError


class Refused(InvalidRequest):
    """A request that cannot be answered as it is: an HTTP status, a code, and the column at fault."""

    def __init__(self, status: int, code: str, message: str, column: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.column = column


class Unavailable(ServingError):
    """The server cannot answer now: no champion, too many requests waiting, no room for the journal."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def misfit(code: str, message: str, column: str) -> Refused:
    """Refuse a request whose *column* does not fit the signature."""
    return Refused(422, code, message, column)


def malformed(message: str, code: str = "malformed_request") -> Refused:
    """Refuse a request that does not follow the scoring protocol."""
    return Refused(400, code, message)
