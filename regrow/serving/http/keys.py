"""Who may ask: which addresses need no key, the keys, and what each of them may do.

How the entries of keys look is told in `data/key_entries.py`. The file of `REGROW_API_KEYS_FILE` is read again when it
changes. A file that is gone holds no key.
"""

import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import date
from pathlib import Path

from fastapi import Request

from regrow.base.errors import ServingError
from regrow.base.settings import Settings
from regrow.data.key_entries import ROLES, Entry, Role, entries_of_file, entries_of_variable, write_entry
from regrow.serving.http.hosts import is_loopback
from regrow.serving.http.responses import Refused

LOG = logging.getLogger("regrow.serving")
GONE = (0,)
"""The stamp of a file that is not there."""
LOOK_SECONDS = 1.0
"""How often the file of the keys is looked at."""


def new_key(
    roles: Iterable[Role], models: Iterable[str] = (), expires: date | None = None
) -> tuple[str, str]:
    """Make a key with *roles* for *models* (none: all), refused from *expires* on; return it and the entry to store.

    Raises `ServingError` if an entry cannot hold the name of a model.
    """
    key = f"regrow_{secrets.token_urlsafe(32)}"
    return key, write_entry(roles, models, _digest(key).decode(), expires)


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
        self._fixed = entries_of_variable(settings)
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
        """Return the entries of *key* that are in force."""
        return [entry for entry in self._all_of(key) if not entry.has_expired()]

    def expired(self, key: str) -> date | None:
        """Return the last day from which an entry of *key* is refused; None if none is."""
        return max(
            (each.expires for each in self._all_of(key) if each.expires and each.has_expired()), default=None
        )

    def _all_of(self, key: str) -> list[Entry]:
        """Return the entries of *key*, in force or not."""
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
            self._entries, self.problem = self._fixed + entries_of_file(self._file), None
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
    if not entries and (day := keys.expired(given)):
        said = f"the key has expired: it is refused since {day.isoformat()}, 00:00 UTC; ask for a new one"
        raise Refused(401, "unauthorized", said)
    if not entries:
        raise Refused(401, "unauthorized", "send a key as `Authorization: Bearer …` or `X-API-Key: …`")
    return granted(entries, model)


def _lacking(roles: tuple[Role, ...]) -> Refused:
    """Return the refusal of a key that has none of *roles*."""
    return Refused(
        403, "forbidden", f"the key lacks the role {' or '.join(roles)} here; ask for one that has it"
    )


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
