"""What a copy of the state is made of, and how it is checked: files by their SHA-256, tables by their version."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pydantic import BaseModel, ConfigDict, ValidationError

from regrow.data.delta import plain_words
from regrow.data.delta_files import HINT
from regrow.errors import StateError
from regrow.formats import StoredRecord

MANIFEST = "backup.json"
"""Written last, so a folder without it is no backup."""
STATE, DATABASES = "state", "databases"
"""The folders of a backup: a state folder without its PostgreSQL, and the dumps of the databases."""
NOT_COPIED = frozenset(
    {
        *("postgres", "postgres.password", "prefect", "logs", "dumps", "turns", "workers", "parts"),
        *("up.json", "up.lock", "runner.ready", "runner.missed", "deployed", "lock", "state.lock"),
    }
)
"""What belongs to the processes that run, or is made again."""
BLOCK = 2**20


class CopiedFile(BaseModel):
    """A file of a backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int
    sha256: str


class CopiedTable(BaseModel):
    """A table of a backup, as it was at one version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    rows: int


class Manifest(StoredRecord):
    """What a backup holds."""

    made: datetime
    program: str
    """The version of Regrow that made it."""
    home: str
    """Where the state folder stood."""
    tables: dict[str, CopiedTable]
    """By their place in the state folder."""
    files: dict[str, CopiedFile]
    """By their place in the backup."""


def read_manifest(backup: Path) -> Manifest:
    """Return what *backup* holds.

    Raises `StateError` if it was not finished, `NewerFormat` if a newer version made it.
    """
    try:
        return Manifest.read((backup / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise StateError(
            f"{backup}: no finished backup ({MANIFEST} is missing or damaged); take another one"
        ) from error


def files_to_copy(home: Path) -> Iterator[Path]:
    """Yield every file of *home* that a backup holds, relative to it; tables and the journal are not among them."""
    for entry in sorted(home.iterdir()):
        if entry.name in NOT_COPIED or entry.name in {"tables", "journal"} or entry.name.startswith("."):
            continue
        yield from files_below(home, entry)


def files_below(home: Path, entry: Path) -> Iterator[Path]:
    """Yield the files at *entry* and below, relative to *home*, without half-written ones."""
    for path in sorted(entry.rglob("*")) if entry.is_dir() else [entry]:
        if path.is_file() and path.suffix not in {".lock", ".partial"}:
            yield path.relative_to(home)


def copy_file(source: Path, target: Path) -> CopiedFile | None:
    """Copy the file *source* to *target* and return what was copied; None if it is gone meanwhile."""
    digest, size = hashlib.sha256(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with source.open("rb") as reader, target.open("wb") as writer:
            while block := reader.read(BLOCK):
                digest.update(block)
                size += writer.write(block)
        shutil.copystat(source, target)
    except FileNotFoundError:
        target.unlink(missing_ok=True)
        return None
    return CopiedFile(bytes=size, sha256=digest.hexdigest())


def describe_file(path: Path) -> CopiedFile:
    """Return the size and the SHA-256 of the file at *path*."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return CopiedFile(bytes=path.stat().st_size, sha256=digest)


def check_table(path: Path, version: int | None = None) -> CopiedTable:
    """Return what the table at *path* holds; raises `StateError` if it lacks a file, or is not of *version*."""
    try:
        table = DeltaTable(str(path))
        added = table.get_add_actions(flatten=True)
        places, sizes = added.column("path").to_pylist(), added.column("size_bytes").to_pylist()
        rows = table.count()
    except (DeltaError, OSError, ValueError) as error:
        raise StateError(
            f"{path}: the table cannot be opened ({plain_words(error)}); take another backup"
        ) from error
    for place, size in zip(places, sizes, strict=True):
        file = path / unquote(str(place))
        if not file.is_file() or file.stat().st_size != size:
            raise StateError(f"{file}: missing, or not of {size} bytes; take another backup")
    if version is not None and table.version() != version:
        raise StateError(
            f"{path}: the table is at version {table.version()}, not {version}; take another backup"
        )
    return CopiedTable(version=table.version(), rows=rows)


def version_of_log_file(name: str) -> int | None:
    """Return the version that the file *name* of a table's log is of; None if it is of none."""
    number = name.partition(".")[0]
    return int(number) if number.isdigit() else None


def last_checkpoint(log: Path) -> int | None:
    """Return the version of the newest checkpoint that *log* names; None if it names none."""
    try:
        return int(json.loads((log / HINT).read_bytes())["version"])
    except (OSError, ValueError, KeyError):
        return None
