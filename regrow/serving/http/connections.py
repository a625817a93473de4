"""A client's connection: how long, and how slow, what comes before and around the body of a request may be."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD = 65_536
"""The longest head of a request: its address and all its headers, in bytes."""
MOST_AROUND = 16
"""Bytes around each byte of a body at most: a chunk of one byte takes six."""
HEAD_SECONDS = 30.0
"""How long a client may take to send the head of a request, and its first one after it has connected."""


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection, which would keep whatever comes as headers or trailers, for as long as it comes."""

    _bytes = 0
    """Bytes of the request that is being read, its body among them."""
    _body = 0
    """Bytes of its body."""
    _clock: asyncio.TimerHandle | None = None
    """Ends a head that is too slow."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read *data*; close the connection if too much comes beside the body."""
        super().data_received(data)
        self._bytes += len(data)
        if self._bytes - self._body > MOST_HEAD + MOST_AROUND * self._body:
            self._refuse("The head of the request is too long.")

    def on_message_begin(self) -> None:
        """Begin to count and to wait anew."""
        super().on_message_begin()
        self._bytes = self._body = 0
        self._await_head()

    def on_headers_complete(self) -> None:
        """Let the body take its own time."""
        self._stop_clock()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count *body*."""
        self._body += len(body)
        super().on_body(body)

    def _await_head(self) -> None:
        """Start the clock if it does not run."""
        if self._clock is None:
            self._clock = self.loop.call_later(
                HEAD_SECONDS, self._refuse, "The head of the request did not come in time."
            )

    def _stop_clock(self) -> None:
        """Stop the clock."""
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _refuse(self, message: str) -> None:
        """Close the connection; say why if no answer is under way."""
        if self.transport.is_closing():
            return
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            self.send_400_response(message)
        else:
            self.transport.abort()
