"""Who may ask: which addresses need no key, the keys, and what each of them may do.

A key is 32 random bytes, stored as its SHA-256: nobody guesses 256 bits, so a slow hash with salt, made for
passwords, would only slow each request. An entry is `predict+labels:HASH`; entries stand in `REGROW_API_KEYS`,
separated by commas, or one a line in the file `REGROW_API_KEYS_FILE`, which is read again when it changes.
"""

import hashlib
import hmac
import ipaddress
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Literal, get_args

from fastapi import Request

from regrow.errors import ServingError
from regrow.serving.http.responses import Refused
from regrow.settings import Settings

LOG = logging.getLogger("regrow.serving")

Role = Literal["predict", "labels", "admin"]
ROLES: frozenset[Role] = frozenset(get_args(Role))
ENTRY = re.compile(
    r"(?P<roles>(?:predict|labels|admin)(?:\+(?:predict|labels|admin))*):(?P<digest>[0-9a-f]{64})"
)
LOOK_SECONDS = 1.0
"""How often the file of the keys is looked at."""
REMEDY = (
    "an entry is `predict:HASH`, the hash of a key and no key; "
    "`regrow key --role predict` makes a key and prints its entry"
)


def read_roles(names: Iterable[str]) -> frozenset[Role]:
    """Read the *names* of roles; raises `ServingError` if one is unknown."""
    known: dict[str, Role] = {role: role for role in ROLES}
    if unknown := sorted(set(names) - set(known)):
        raise ServingError(f"{unknown[0]!r} is no role; there are {', '.join(sorted(known))}")
    return frozenset(known[name] for name in names)


def new_key(roles: Iterable[Role]) -> tuple[str, str]:
    """Make a key with *roles*; return it and the entry to store."""
    key = f"regrow_{secrets.token_urlsafe(32)}"
    return key, f"{'+'.join(sorted(set(roles)))}:{_digest(key).decode()}"


class Keys:
    """The keys that are accepted now; with *needed* false every request passes."""

    def __init__(self, settings: Settings) -> None:
        self.problem: str | None = None
        self._file = settings.api_keys_file
        self._fixed = _parse([key.get_secret_value() for key in settings.api_keys], "REGROW_API_KEYS")
        self._entries = self._fixed
        self._looked = -LOOK_SECONDS
        self._stamp: tuple[int, ...] = ()
        self._look()
        self.needed = bool(self._entries) or self._file is not None

    def __len__(self) -> int:
        return len(self._entries)

    def roles(self, key: str) -> frozenset[Role]:
        """Return what *key* may do: nothing if it is unknown, everything with the role admin."""
        self._look()
        digest, found = _digest(key), frozenset[Role]()
        for stored, roles in self._entries:
            if hmac.compare_digest(digest, stored):
                found |= roles
        return ROLES if "admin" in found else found

    def _look(self) -> None:
        """Read the file if it has changed; one that cannot be read leaves the keys as they are."""
        if self._file is None or time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        if (stamp := _stamp(self._file)) == self._stamp:
            return
        self._stamp = stamp
        try:
            self._entries, self.problem = self._fixed + _read_file(self._file), None
        except ServingError as error:
            self.problem = str(error)
            LOG.warning("%s; the keys from before stay in force", error)
        else:
            LOG.info("%s holds %d keys", self._file, len(self._entries) - len(self._fixed))


def check_start(host: str, keys: Keys) -> None:
    """Refuse to listen on *host* with keys that cannot be read, or beyond this machine without one.

    Raises `ServingError`.
    """
    if keys.problem:
        raise ServingError(keys.problem)
    if not _is_loopback(host) and not len(keys):
        raise ServingError(
            f"{host} can be reached from other machines, and there is no key: make one by "
            "`regrow key --role predict`, give its entry by REGROW_API_KEYS or in the file REGROW_API_KEYS_FILE, "
            "or listen on 127.0.0.1"
        )


def allow(keys: Keys, *roles: Role) -> Callable[[Request], Awaitable[None]]:
    """Make the check that a request's key has one of *roles*; all that it has is left in `request.state.roles`."""

    async def check(request: Request) -> None:
        request.state.roles = _roles(keys, request)
        if not request.state.roles & set(roles):
            raise _lacking(roles)

    return check


def demand(request: Request, role: Role) -> None:
    """Raise `Refused` if the key that `allow` let pass lacks *role*."""
    if role not in request.state.roles:
        raise _lacking((role,))


def _roles(keys: Keys, request: Request) -> frozenset[Role]:
    """Return the roles of the request's key; raises `Refused` if it has none."""
    if not keys.needed:
        return ROLES
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = request.headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
    roles = keys.roles(given)
    if not roles:
        raise Refused(401, "unauthorized", "send a key as `Authorization: Bearer …` or `X-API-Key: …`")
    return roles


def _lacking(roles: tuple[Role, ...]) -> Refused:
    """Return the refusal of a key that has none of *roles*."""
    return Refused(403, "forbidden", f"the key lacks the role {' or '.join(roles)}; ask for one that has it")


def _parse(lines: Iterable[str], origin: str) -> list[tuple[bytes, frozenset[Role]]]:
    """Read the entries of *lines*; raises `ServingError` naming their *origin*, without showing what may be a key."""
    entries = []
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        found = ENTRY.fullmatch(text)
        if found is None:
            raise ServingError(f"{origin}, entry {number}: this is no entry; {REMEDY}")
        entries.append((found["digest"].encode(), read_roles(found["roles"].split("+"))))
    return entries


def _read_file(path: Path) -> list[tuple[bytes, frozenset[Role]]]:
    """Read the entries of the file at *path*."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"REGROW_API_KEYS_FILE: {path} cannot be read ({error})") from error
    return _parse(lines, str(path))


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when the file at *path* does."""
    try:
        stat = path.stat()
    except OSError:
        return (0,)
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _digest(key: str) -> bytes:
    """Hash *key* as it is stored."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest().encode()


def _is_loopback(host: str) -> bool:
    """Return whether *host* is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
