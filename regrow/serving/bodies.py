"""Read a request's body: not more of it than is allowed, and not for ever."""

import asyncio

from fastapi import Request

from regrow.serving.refusals import Refused

BODY_SECONDS = 30.0
"""How long a client may take to send its body; one that takes longer holds memory and a connection for nothing."""


async def read_body(request: Request, limit: int, seconds: float = BODY_SECONDS) -> bytes:
    """Read the body, at most *limit* bytes of it; raises `Refused`: 413, or 408 after *seconds*."""
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
    """Say how much may be sent."""
    return Refused(413, "body_too_large", f"the body is over {limit} bytes; send fewer rows in one request")
