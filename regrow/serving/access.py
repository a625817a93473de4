"""Who may ask: addresses that need no key, and the keys."""

import hmac
import ipaddress
from collections.abc import Callable
from typing import Annotated

from fastapi import Header

from regrow.errors import ServingError
from regrow.serving.refusals import Refused
from regrow.settings import Settings


def require_key_beyond_loopback(host: str, settings: Settings) -> None:
    """Refuse to listen on *host* beyond this machine without a key; raises `ServingError`."""
    if not _is_loopback(host) and not _keys(settings):
        raise ServingError(
            f"{host} can be reached from other machines: give keys by REGROW_API_KEYS, or listen on 127.0.0.1"
        )


def key_check(settings: Settings) -> Callable[..., None]:
    """Make the check of a request's key; without keys in *settings* every request passes."""
    keys = _keys(settings)

    def check(authorization: Annotated[str, Header()] = "", x_api_key: Annotated[str, Header()] = "") -> None:
        if not keys:
            return
        scheme, _, token = authorization.partition(" ")
        given = x_api_key or (token.strip() if scheme.lower() == "bearer" else "")
        matches = [hmac.compare_digest(given.encode(), key) for key in keys]
        if not any(matches):
            raise Refused(401, "unauthorized", "send a key as `Authorization: Bearer …` or `X-API-Key: …`")

    return check


def _keys(settings: Settings) -> list[bytes]:
    """Give the keys that are not empty."""
    return [value.encode() for key in settings.api_keys if (value := key.get_secret_value().strip())]


def _is_loopback(host: str) -> bool:
    """Say whether *host* is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
