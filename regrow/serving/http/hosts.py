"""Who is spoken to: the names by which this server is known, so that no web page reaches it by a name of its own.

A page may let its own name lead to any address (DNS rebinding) and then ask whatever listens there, from the browser of
somebody who has opened it, and read the answers. The browser sends the page's name as the Host. An address instead of a
name cannot be such a page's, and neither can a request without a Host be a browser's.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from regrow.base.settings import Settings
from regrow.serving.http.responses import refusal

HOST = re.compile(rb"(\[[\da-fA-F:.]+\]|[\w.-]+)(?::\d*)?")
"""A name or an address, and perhaps a port."""
ANY = "*"
MOST_KEPT = 1000
"""Hosts, as they were sent, that are remembered as known."""


def known_hosts(host: str, settings: Settings) -> frozenset[str]:
    """Return the names by which a server that listens on *host* is known; `*.NAME` is every name under NAME."""
    own = {"localhost", host}
    if not is_loopback(host):
        own.add(socket.gethostname())
    if settings.server_url:
        own.add(urlsplit(settings.server_url).hostname or "")
    return frozenset(name.lower().rstrip(".") for name in {*own, *settings.server_hosts} if name)


def is_loopback(host: str) -> bool:
    """Return whether *host* is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class KnownHosts:
    """Refuse and *count* a request to a Host that is none of *known*."""

    def __init__(self, app: ASGIApp, known: Collection[str], count: Callable[[], None]) -> None:
        self._app = app
        self._names = frozenset(known)
        self._count = count
        self._met = set[bytes]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass if this server is whom it speaks to."""
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == b"host" and value not in self._met and not self._knows(value):
                    self._count()
                    message = (
                        f"this server is not known as {value[:80].decode('latin-1')!r}; "
                        "name it in REGROW_SERVER_HOSTS if it is"
                    )
                    await refusal(421, "unknown_host", message)(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _knows(self, sent: bytes) -> bool:
        """Return whether the Host *sent* is known, and remember it if so."""
        found = HOST.fullmatch(sent)
        name = found[1].decode().strip("[]").lower().rstrip(".") if found else ""
        isknown = ANY in self._names or name in self._names or _is_address(name) or self._is_under(name)
        if isknown and len(self._met) < MOST_KEPT:
            self._met.add(sent)
        return isknown

    def _is_under(self, name: str) -> bool:
        """Return whether *name* stands under one that is known with everything under it."""
        return any(name.endswith(known[1:]) for known in self._names if known.startswith("*."))


def _is_address(name: str) -> bool:
    """Return whether *name* is an address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
