"""What goes back to the client: JSON, and refusals in the one form that every error has."""

from importlib.metadata import version
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from regrow.errors import InvalidRequest
from regrow.serving.refusals import Unavailable, status_of

REGROW = version("regrow")


def answer(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    """Write *content* as JSON."""
    return Response(orjson.dumps(content), status, headers, "application/json")


def refusal(
    status: int, code: str, message: str, column: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """Say why there is no answer."""
    return answer(status, {"error": code, "message": message, "column": column}, headers)


def add_refusals(app: FastAPI) -> None:
    """Let *app* give every error the same form."""
    app.add_exception_handler(InvalidRequest, _refused)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(Exception, _failed)


def _refused(_: Request, error: Exception) -> Response:
    """Answer a request that was refused."""
    if not isinstance(error, InvalidRequest):
        raise error
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}
    status = status_of(error)
    return refusal(status, error.code, str(error), error.column, headers.get(status))


def _unavailable(_: Request, error: Exception) -> Response:
    """Answer a request that cannot be answered now."""
    code = error.code if isinstance(error, Unavailable) else "unavailable"
    return refusal(503, code, str(error), headers={"Retry-After": "1"})


def _not_routed(_: Request, error: Exception) -> Response:
    """Answer a request that no route takes."""
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers) if error.headers else None
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
    return refusal(error.status_code, code, error.detail, headers=headers)


def _failed(_: Request, error: Exception) -> Response:
    """Answer a request that met a defect of the server; the log has the rest."""
    return refusal(500, "server_failed", f"the server failed ({type(error).__name__}); its log says where")
