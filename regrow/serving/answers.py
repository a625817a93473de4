"""What goes back to the client: JSON, and refusals in the one form that every error has."""

from importlib.metadata import version
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

from regrow.serving.refusals import Refused, Unavailable

REGROW = version("regrow")


def answer(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    """Write *content* as JSON."""
    return Response(orjson.dumps(content), status, headers, "application/json")


def add_refusals(app: FastAPI) -> None:
    """Let *app* answer `Refused` and `Unavailable` in the form of every error."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(Unavailable, _unavailable)


def _refused(_: Request, error: Exception) -> Response:
    """Answer a request that was refused."""
    if not isinstance(error, Refused):
        raise error
    content = {"error": error.code, "message": str(error), "column": error.column}
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}
    return answer(error.status, content, headers.get(error.status))


def _unavailable(_: Request, error: Exception) -> Response:
    """Answer a request that cannot be answered now."""
    code = error.code if isinstance(error, Unavailable) else "unavailable"
    return answer(503, {"error": code, "message": str(error), "column": None}, {"Retry-After": "1"})
