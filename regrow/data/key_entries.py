"""The entries of keys of the model server, as they stand in `REGROW_API_KEYS` and in `REGROW_API_KEYS_FILE`.

A key is 32 random bytes, stored as its SHA-256: nobody guesses 256 bits, so a slow hash with salt, made for
passwords, would only slow each request. An entry is `predict+labels:HASH`, or `labels@churn+flights:HASH` if the key
is for these models alone; behind it `expires:2027-03-01` names the day, in UTC, from which the key is refused. Entries
are separated by commas in the variable, and stand one a line in the file.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal, get_args

from regrow.base.errors import ServingError
from regrow.base.settings import Settings

Role = Literal["predict", "labels", "admin"]
ROLES: frozenset[Role] = frozenset(get_args(Role))
ENTRY = re.compile(
    r"(?P<roles>(?:predict|labels|admin)(?:\+(?:predict|labels|admin))*)"
    r"(?:@(?P<models>[^\s@:,+]+(?:\+[^\s@:,+]+)*))?:(?P<digest>[0-9a-f]{64})"
    r"(?:\s+expires:(?P<expires>\S+))?"
)
REMEDY = (
    "an entry is `predict:HASH`, the hash of a key and no key; "
    "`regrow key --role predict` makes a key and prints its entry"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A key by its hash, what it may do, for which models (None: for all), and until when (None: for ever)."""

    digest: bytes
    roles: frozenset[Role]
    models: frozenset[str] | None
    expires: date | None = None
    """The first day, in UTC, on which it is refused."""

    def has_expired(self, now: datetime | None = None) -> bool:
        """Return whether the key is refused at *now*."""
        return self.expires is not None and (now or datetime.now(UTC)).date() >= self.expires


def read_roles(names: Iterable[str]) -> frozenset[Role]:
    """Read the *names* of roles; raises `ServingError` if one is unknown."""
    known: dict[str, Role] = {role: role for role in ROLES}
    if unknown := sorted(set(names) - set(known)):
        raise ServingError(f"{unknown[0]!r} is no role; there are {', '.join(sorted(known))}")
    return frozenset(known[name] for name in names)


def read_day(text: str, where: str) -> date:
    """Read the day *text*; raises `ServingError` naming *where* it stands if it is none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ServingError(f"{where}: {text!r} is no day; write it as 2027-03-01") from error


def write_entry(roles: Iterable[Role], models: Iterable[str], digest: str, expires: date | None) -> str:
    """Write the entry of a key; raises `ServingError` if it cannot hold the name of a model."""
    named = "+".join(sorted(set(models)))
    entry = f"{'+'.join(sorted(set(roles)))}{f'@{named}' if named else ''}:{digest}"
    if ENTRY.fullmatch(entry) is None:
        raise ServingError(f"{named!r} is no name of a model")
    return entry if expires is None else f"{entry} expires:{expires.isoformat()}"


def entries_of_variable(settings: Settings) -> list[Entry]:
    """Read the entries of `REGROW_API_KEYS`; raises `ServingError` if one is none."""
    return _parse([key.get_secret_value() for key in settings.api_keys], "REGROW_API_KEYS")


def entries_of_file(path: Path) -> list[Entry]:
    """Read the entries of the file at *path*; raises `ServingError` if one is none, or if it cannot be read."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"REGROW_API_KEYS_FILE: {path} cannot be read ({error})") from error
    return _parse(lines, str(path))


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
        expires = read_day(found["expires"], f"{origin}, entry {number}") if found["expires"] else None
        entries.append(
            Entry(found["digest"].encode(), read_roles(found["roles"].split("+")), models, expires)
        )
    return entries
