"""Which errors may pass by themselves, and are worth a retry; the same input gives all others again."""

import errno
import re
import socket
from collections.abc import Iterator
from urllib.error import HTTPError, URLError

import httpx
import requests
from deltalake.exceptions import CommitFailedError
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from regrow.base.errors import Busy, StoreAway, Unreachable
from regrow.data.objects import says_away

PASSING = (
    Unreachable,
    Busy,
    StoreAway,
    ConnectionError,
    TimeoutError,
    socket.gaierror,
    httpx.TransportError,
    requests.ConnectionError,
    requests.Timeout,
    CommitFailedError,
)
"""A server, a network, a folder or a lock that may be back in a moment."""
PASSING_ERRNO = {
    errno.EAGAIN, errno.EBUSY, errno.EHOSTUNREACH, errno.EIO, errno.EMFILE, errno.ENETUNREACH, errno.ENFILE,
    errno.ENOLCK, errno.ESTALE,
}  # fmt: skip
"""What the operating system says of a network, a network drive or too many open files."""
PASSING_STATUS = {408, 429, 500, 502, 503, 504}
PASSING_MLFLOW = {
    "ABORTED", "BAD_REQUEST", "DEADLINE_EXCEEDED", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_CONFLICT",
    "TEMPORARILY_UNAVAILABLE",
}  # fmt: skip
"""MLflow says BAD_REQUEST if two writers collide in its database."""
NAMED_AFTERWARDS = {
    "HTTPStatusError", "MlflowException", "OSError", "OperationalError", "PrefectHTTPStatusError", "StateError",
}  # fmt: skip
"""What else may have been an outage, when only its name is left: a full disk (StateError), a database that was away."""


def may_pass(error: BaseException) -> bool:
    """Return whether *error*, or an error that it was raised from, comes from an outage.

    Everything else is taken to be of the input: a broken table, a wrong column or parameter, a bug.
    """
    return any(_is_outage(one) for one in _causes(error))


def names_an_outage(message: str) -> bool:
    """Return whether *message*, which Prefect keeps of a flow run that failed, names an error of an outage.

    The error itself is gone by then, so one of MLflow or of a database counts, whatever it said.
    """
    named = {error.__name__ for passing in PASSING for error in _kinds(passing)} | NAMED_AFTERWARDS
    found = re.search(r"exception: (\w+)", message)
    return found is not None and found.group(1) in named


def _kinds(error: type[Exception]) -> Iterator[type[Exception]]:
    """Yield *error* and all that are kinds of it: who catches an error sees its family, a message its own name."""
    yield error
    for kind in error.__subclasses__():
        yield from _kinds(kind)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Go from *error* to the error that it was raised from, and on."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


def _is_outage(error: BaseException) -> bool:
    match error:
        case httpx.HTTPStatusError() | requests.HTTPError():
            return getattr(error.response, "status_code", None) in PASSING_STATUS
        case HTTPError():
            return error.code in PASSING_STATUS
        case URLError():
            return isinstance(error.reason, OSError) and _is_outage(error.reason)
        case MlflowException():
            return error.error_code in PASSING_MLFLOW
        case OperationalError():  # Without a statement it failed to connect; some say so of a wrong query too.
            return error.statement is None or error.connection_invalidated
        case _:
            passes = isinstance(error, OSError) and error.errno in PASSING_ERRNO
            return passes or isinstance(error, PASSING) or says_away(error)
