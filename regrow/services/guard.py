"""What stands before Prefect's and MLflow's servers: only own hosts, no page of a stranger, and a sign-in."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from regrow.base.settings import USER

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
PORTS = {"http": 80, "https": 443}
NO_FRAME = (b"content-security-policy", b"frame-ancestors 'self'")
"""Sent with every answer: a page of a stranger cannot show ours within its own and lead clicks to it."""


def own_origins(port: int, public_url: str | None = None) -> frozenset[str]:
    """Return the addresses by which a browser may reach the server on *port* of this machine, or by *public_url*."""
    own = {f"http://{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    if public_url:
        parts = urlsplit(public_url)
        own.add(f"{parts.scheme}://{parts.netloc}".lower())
    return frozenset(own)


@dataclass(frozen=True)
class Guard:
    """An ASGI application that lets a request through to *app* only if nothing speaks against it.

    It asks for *password* if there is one, except on *open_paths*.
    """

    app: App
    origins: frozenset[str]
    password: str | None = None
    realm: str = "Regrow"
    open_paths: frozenset[str] = frozenset({"/health"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        if reason := self.why_refused(scope):
            await _refuse(scope, send, 403, reason)
        elif not self.may_enter(scope):
            await _refuse(scope, send, 401, "sign in: user and password are told by `regrow up`", self.realm)
        else:
            await self.app(scope, receive, _without_frames(send))

    def why_refused(self, scope: Scope) -> str | None:
        """Return why a request is not taken, whoever sends it; None if nothing speaks against it."""
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in _hosts(self.origins):
            return "unknown Host: this server answers to its own names only"
        origins = _values(scope, b"origin")
        if origins:
            return (
                None
                if {each.lower() for each in origins} <= self.origins
                else "a page of another Origin asks"
            )
        if _is_from_elsewhere(scope):
            return "a page of another site asks"
        return None

    def may_enter(self, scope: Scope) -> bool:
        """Return whether the request brings the password, or needs none."""
        if self.password is None or scope["path"] in self.open_paths:
            return True
        sent = _values(scope, b"authorization")
        scheme, _, credentials = (sent[0] if len(sent) == 1 else "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            decoded = base64.b64decode(credentials.strip(), validate=True)
        except binascii.Error:
            return False
        return hmac.compare_digest(decoded, f"{USER}:{self.password}".encode())


def _hosts(origins: Iterable[str]) -> set[str]:
    """Return the values of Host that name *origins*; the usual port may be left out."""
    hosts = set()
    for parts in map(urlsplit, origins):
        name = parts.netloc.removesuffix(f":{PORTS[parts.scheme]}")
        hosts |= {parts.netloc, name, f"{name}:{parts.port or PORTS[parts.scheme]}"}
    return hosts


def _is_from_elsewhere(scope: Scope) -> bool:
    """Return whether a browser says that another site's page sends this, and not a person who follows a link."""
    if not set(_values(scope, b"sec-fetch-site")) & {"cross-site", "same-site"}:
        return False
    followed = _values(scope, b"sec-fetch-mode") == ["navigate"] and _values(scope, b"sec-fetch-dest") == [
        "document"
    ]
    return not (followed and scope.get("method") in {"GET", "HEAD"})


def _values(scope: Scope, name: bytes) -> list[str]:
    """Return all values of the header *name*."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


async def _refuse(scope: Scope, send: Send, status: int, reason: str, realm: str | None = None) -> None:
    """Answer with *status* and *reason*; a websocket is closed before it opens."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), NO_FRAME]
    if realm:
        headers.append((b"www-authenticate", f'Basic realm="{realm}", charset="UTF-8"'.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{reason}\n".encode()})


def _without_frames(send: Send) -> Send:
    """Return *send* that forbids other sites to show the answer within a page of theirs."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), NO_FRAME]
        await send(message)

    return sending
