"""What every request passes: the bound of those in progress, and the line in the log that tells of it."""

import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regrow.serving.answers import refusal
from regrow.serving.logs import REQUESTS

LOG = logging.getLogger(REQUESTS)
REQUEST_ID = re.compile(rb"[\w.:-]{1,100}")
TOLD = {"model": "model", "version": "version", "role": "role", "rows": "rows", "first": "prediction_id"}
"""What a route leaves in the request's state, and what it is called in the log; never a value of a row, or a key."""


class Gate:
    """Refuse and *count* a request while *most* others that carry rows are in progress; with *log* tell of each."""

    def __init__(self, app: ASGIApp, most: int, log: bool, count: Callable[[], None]) -> None:
        self._app = app
        self._most = most
        self._log = log
        self._count = count
        self._busy = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._log:
            await self._tell(scope, receive, send)
        else:
            await self._admit(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request while it is in progress, or refuse it unread."""
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self._busy >= self._most:
            self._count()
            message = f"{self._busy} requests are in progress; send fewer at a time"
            full = refusal(429, "overloaded", message, headers={"Retry-After": "1"})
            await full(scope, receive, send)
            return
        self._busy += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._busy -= 1

    async def _tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass, give it an id, and write its line."""
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
            await self._admit(scope, receive, send_on)
        finally:
            told = {
                "method": scope["method"],
                "path": scope["path"][:200],
                "status": status,
                "seconds": round(time.perf_counter() - start, 6),
                "request_id": identifier,
            }
            told |= {name: state[key] for key, name in TOLD.items() if key in state}
            LOG.info("request", extra={"told": told})


def _identifier(scope: Scope) -> str:
    """Take the id that the client gave its request, or make one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return value.decode("ascii")
    return uuid.uuid4().hex
