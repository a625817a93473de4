"""What a request may cost: how many are in progress at once, how large one is, how long its body may take."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from regrow.models.contract import Contract
from regrow.models.decoding import Bounds
from regrow.models.values import shown
from regrow.serving.http.responses import HEADERS, Refused, refusal

BODY_SECONDS = 30.0
"""How long a client may take to send its body; one that takes longer holds memory and a connection for nothing."""


@dataclass(frozen=True)
class Limits:
    """The largest body, in bytes, the most rows of one request, and the most requests in progress in one worker.

    Together they bound the memory that clients can take. A value takes a byte of its body at least, so rows times
    columns are at most `max_bytes` too: rows that leave out most columns of a wide model cost what they do in full.

    A body has 30 s to come (`read_body`), and so has what stands before it (`BoundedConnection`); an idle connection is
    closed after 75 s. The number of connections has no limit: beyond a trusted network put a proxy in front.
    """

    max_bytes: int = 5_000_000
    max_rows: int = 10_000
    max_requests: int = 1024

    def bounds(self, contract: Contract) -> Bounds:
        """Return what a body for a model with *contract* may hold."""
        return contract.bounds(self.max_rows, self.max_bytes)


class Admission:
    """Refuse and *count* a request while *most* others that carry rows are in progress."""

    def __init__(self, app: ASGIApp, most: int, count: Callable[[], None]) -> None:
        self._app = app
        self._most = most
        self._count = count
        self._busy = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request while it is in progress, or refuse it unread."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self._busy >= self._most:
            self._count()
            message = f"{self._busy} requests are in progress; send fewer at a time"
            await refusal(429, "overloaded", message, headers=HEADERS[429])(scope, receive, send)
            return
        self._busy += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._busy -= 1


async def read_body(
    request: Request, limit: int, kinds: Collection[str], seconds: float = BODY_SECONDS
) -> bytes:
    """Read the body, at most *limit* bytes of it; raises `Refused`: 415 if its type is none of *kinds*, 413, 408.

    A body without a type is refused too: a web page may send that to any server, from anybody's browser.
    408 comes after *seconds*.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        given = shown(kind) if kind else "of no type"
        message = f"the body is {given}; send it with Content-Type: {' or '.join(kinds)}"
        raise Refused(415, "unsupported_media_type", message)
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise _too_large(limit)
                parts.append(part)
    except TimeoutError as error:
        raise Refused(408, "body_too_slow", f"the body did not come within {seconds:g} s") from error
    return b"".join(parts)


def _too_large(limit: int) -> Refused:
    """Return the refusal of a body that is too large."""
    return Refused(413, "body_too_large", f"the body is over {limit} bytes; send fewer rows in one request")
