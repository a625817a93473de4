"""What goes back to the client: JSON, and every refusal in one form."""

from importlib.metadata import version
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from regrow.base.errors import InvalidRequest, ModelFailed, Overloaded, RegrowError, ServingError, Unavailable

REGROW = version("regrow")
CODES = {
    "malformed_request": 400,
    "invalid_json": 400,
    "invalid_csv": 400,
    "too_many_rows": 413,
    "unsupported_media_type": 415,
}
"""The status of an `InvalidRequest` by its code; of any other code it is 422."""
RETRY = {"Retry-After": "1"}
HEADERS: dict[int, dict[str, str]] = {401: {"WWW-Authenticate": "Bearer"}, 429: RETRY, 503: RETRY}
REFUSALS = {
    400: "The body or a header does not follow the protocol",
    401: "The key is missing or unknown",
    403: "The key lacks the role",
    404: "No such model, version or path",
    408: "The body did not come in time",
    413: "Too many bytes or rows",
    415: "A content type that is not read here",
    421: "The server is not known by the Host that the request names",
    422: "A row does not fit the model's signature, or a label cannot be taken",
    429: "Too many requests in progress; come again after `Retry-After` seconds",
    500: "The model failed",
    501: "The package that reasons need is not installed on the server",
    503: "No champion answers yet, or the disk is full; come again after `Retry-After` seconds",
}


class Refused(ServingError):
    """A request that is not answered for what it asks of the server, with an HTTP status and a code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Described(BaseModel):
    """The form of a response, for its OpenAPI description."""

    model_config = ConfigDict(extra="forbid")


class Problem(Described):
    """Why there is no answer."""

    error: str
    message: str
    column: str | None


PROBLEM = {"$ref": f"#/components/schemas/{Problem.__name__}"}


def json_response(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    """Write *content* as JSON."""
    return Response(orjson.dumps(content), status, headers, "application/json")


def refusal(
    status: int, code: str, message: str, column: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """Write why there is no answer."""
    return json_response(status, {"error": code, "message": message, "column": column}, headers)


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the refusals with *statuses* for FastAPI."""
    return {status: {"model": Problem, "description": REFUSALS[status]} for status in statuses}


def status_of(error: RegrowError) -> int:
    """Return the HTTP status of *error*."""
    match error:
        case Refused():
            return error.status
        case InvalidRequest():
            return CODES.get(error.code, 422)
        case Overloaded():
            return 429
        case Unavailable():
            return 503
        case _:
            return 500


def add_refusals(app: FastAPI) -> None:
    """Let *app* answer every error in the same form."""
    for refused in (Refused, InvalidRequest, ModelFailed, Overloaded, Unavailable):
        app.add_exception_handler(refused, _refused)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(Exception, _failed)


def _refused(_: Request, error: Exception) -> Response:
    """Answer a request that was refused."""
    if not isinstance(error, Refused | InvalidRequest | ModelFailed | Overloaded | Unavailable):
        raise error
    status, column = status_of(error), error.column if isinstance(error, InvalidRequest) else None
    return refusal(status, error.code, str(error), column, HEADERS.get(status))


def _not_routed(_: Request, error: Exception) -> Response:
    """Answer a request that no route takes."""
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers) if error.headers else None
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
    return refusal(error.status_code, code, error.detail, headers=headers)


def _failed(_: Request, error: Exception) -> Response:
    """Answer a request that met a defect of the server; the log has the rest."""
    return refusal(
        500, "server_failed", f"the server failed ({type(error).__name__}); its log holds the details"
    )
