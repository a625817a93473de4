"""The lines about requests in a log for machines."""

import logging
import re
import time
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = "regrow.requests"
"""The logger of the requests; what is logged of one stands in its record's `details`."""
LOG = logging.getLogger(REQUESTS)
REQUEST_ID = re.compile(rb"[\w.:-]{1,100}")
LOGGED = {"model": "model", "version": "version", "role": "role", "rows": "rows", "first": "prediction_id"}
"""What a route leaves in the request's state, and its name in the log; never a value of a row, or a key."""


class RequestLog:
    """Number each request by an id, and write a line about it; only a log for machines has it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass and write its line."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 500
        state: dict[str, Any] = scope.setdefault("state", {})
        identifier = _identifier(scope)

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", identifier.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        finally:
            details = {
                "method": scope["method"],
                "path": scope["path"][:200],
                "status": status,
                "seconds": round(time.perf_counter() - start, 6),
                "request_id": identifier,
            }
            details |= {name: state[key] for key, name in LOGGED.items() if key in state}
            LOG.info("request", extra={"details": details})


def _identifier(scope: Scope) -> str:
    """Return the id that the client gave its request, or make one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return value.decode("ascii")
    return uuid.uuid4().hex
