"""Who may ask: which addresses need no key, the keys, and what each of them may do.

A key is 32 random bytes, stored as its SHA-256: nobody guesses 256 bits, so a slow hash with salt, made for
passwords, would only slow each request. An entry is `predict+labels:HASH`, or `labels@churn+flights:HASH` if the key
is for these models alone; entries stand in `REGROW_API_KEYS`, separated by commas, or one a line in the file
`REGROW_API_KEYS_FILE`, which is read again when it changes. A file that is gone holds no key.
"""

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fastapi import Request

from regrow.errors import ServingError
from regrow.serving.http.hosts import is_loopback
from regrow.serving.http.responses import Refused
from regrow.settings import Settings

LOG = logging.getLogger("regrow.serving")

Role = Literal["predict", "labels", "admin"]
ROLES: frozenset[Role] = frozenset(get_args(Role))
ENTRY = re.compile(
    r"(?P<roles>(?:predict|labels|admin)(?:\+(?:predict|labels|admin))*)"
    r"(?:@(?P<models>[^\s@:,+]+(?:\+[^\s@:,+]+)*))?:(?P<digest>[0-9a-f]{64})"
)
GONE = (0,)
"""The stamp of a file that is not there."""
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


def new_key(roles: Iterable[Role], models: Iterable[str] = ()) -> tuple[str, str]:
    """Make a key with *roles* for *models* (none: all); return it and the entry to store.

    Raises `ServingError` if an entry cannot hold the name of a model.
    """
    key, named = f"regrow_{secrets.token_urlsafe(32)}", "+".join(sorted(set(models)))
    entry = f"{'+'.join(sorted(set(roles)))}{f'@{named}' if named else ''}:{_digest(key).decode()}"
    if ENTRY.fullmatch(entry) is None:
        raise ServingError(f"{named!r} is no name of a model")
    return key, entry


@dataclass(frozen=True, slots=True)
class Entry:
    """A key by its hash, what it may do, and for which models; None: for all."""

    digest: bytes
    roles: frozenset[Role]
    models: frozenset[str] | None


def granted(entries: Iterable[Entry], model: str | None) -> frozenset[Role]:
    """Return what the *entries* of a key let it do with *model* (None: with any of its models)."""
    covering = (entry for entry in entries if model is None or entry.models is None or model in entry.models)
    found = frozenset[Role]().union(*(entry.roles for entry in covering))
    return ROLES if "admin" in found else found


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

    def roles(self, key: str, model: str | None = None) -> frozenset[Role]:
        """Return what *key* may do with *model* (None: with any): nothing if it is unknown, all with the role admin."""
        return granted(self.entries(key), model)

    def entries(self, key: str) -> list[Entry]:
        """Return the entries of *key*."""
        self._look()
        digest = _digest(key)
        return [entry for entry in self._entries if hmac.compare_digest(digest, entry.digest)]

    def _look(self) -> None:
        """Read the file if it has changed: if it is gone its keys are too; a defect in it leaves them as they are."""
        if self._file is None or time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        if (stamp := _stamp(self._file)) == self._stamp:
            return
        self._stamp = stamp
        if stamp == GONE:
            self._entries = self._fixed
            self.problem = f"REGROW_API_KEYS_FILE: {self._file} is not there; no key stands in it"
            LOG.warning("%s", self.problem)
            return
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
    if not is_loopback(host) and not len(keys):
        raise ServingError(
            f"{host} can be reached from other machines, and there is no key: make one by "
            "`regrow key --role predict`, give its entry by REGROW_API_KEYS or in the file REGROW_API_KEYS_FILE, "
            "or listen on 127.0.0.1"
        )


def allow(
    keys: Keys, *roles: Role, only: Callable[[], str | None] = lambda: None
) -> Callable[[Request], Awaitable[None]]:
    """Make the check that a request's key has one of *roles* for the model in its path, or else for the *only* one.

    What it finds is left in the request's state: all `roles` of the key for that model, and its name as `asked`.
    """

    async def check(request: Request) -> None:
        request.state.asked = request.path_params.get("name") or only()
        request.state.roles = _roles(keys, request, request.state.asked)
        if not request.state.roles & set(roles):
            raise _lacking(roles)

    return check


def demand(request: Request, role: Role) -> None:
    """Raise `Refused` if the key that `allow` let pass lacks *role*."""
    if role not in request.state.roles:
        raise _lacking((role,))


def _roles(keys: Keys, request: Request, model: str | None) -> frozenset[Role]:
    """Return the roles of the request's key for *model*, if one is asked; raises `Refused` if the key is unknown."""
    if not keys.needed:
        return ROLES
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = request.headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
    entries = keys.entries(given)
    if not entries:
        raise Refused(401, "unauthorized", "send a key as `Authorization: Bearer …` or `X-API-Key: …`")
    return granted(entries, model)


def _lacking(roles: tuple[Role, ...]) -> Refused:
    """Return the refusal of a key that has none of *roles*."""
    return Refused(
        403, "forbidden", f"the key lacks the role {' or '.join(roles)} here; ask for one that has it"
    )


def _parse(lines: Iterable[str], origin: str) -> list[Entry]:
    """Read the entries of *lines*; raises `ServingError` naming their *origin*, without showing what may be a key."""
    entries = list[Entry]()
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        found = ENTRY.fullmatch(text)
        if found is None:
            raise ServingError(f"{origin}, entry {number}: this is no entry; {REMEDY}")
        models = frozenset(found["models"].split("+")) if found["models"] else None
        entries.append(Entry(found["digest"].encode(), read_roles(found["roles"].split("+")), models))
    return entries


def _read_file(path: Path) -> list[Entry]:
    """Read the entries of the file at *path*."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"REGROW_API_KEYS_FILE: {path} cannot be read ({error})") from error
    return _parse(lines, str(path))


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when the file at *path* does, or becomes readable; `GONE` if there is none."""
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return GONE
    except OSError as error:
        return (-1, error.errno or 0)
    return stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size


def _digest(key: str) -> bytes:
    """Hash *key* as it is stored."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest().encode()
