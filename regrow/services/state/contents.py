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

from regrow.base.errors import StateError
from regrow.base.formats import StoredRecord
from regrow.base.places import ObjectPath, Place
from regrow.data.delta import plain_words
from regrow.data.delta_files import HINT
from regrow.data.objects import read_object
from regrow.data.store_files import find_files

MANIFEST = "backup.json"
"""Written last, so a folder without it is no backup."""
STATE, DATABASES = "state", "databases"
"""The folders of a backup: a state folder without its PostgreSQL, and the dumps of the databases."""
OF_STORE = ("tables", "snapshots", "artifacts", "erased")
"""The folders of a state folder that `REGROW_STORE` may name a place elsewhere for; the tables first."""
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
    store: str = ""
    """Where the store stood; empty: in the state folder."""
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


def files_to_copy(home: Path, store: Place) -> Iterator[Path]:
    """Yield every file of *home* and *store* that a backup holds, relative to them, but for tables and the journal."""
    for entry in sorted(home.iterdir()):
        if entry.name in {*NOT_COPIED, *OF_STORE, "journal"} or entry.name.startswith("."):
            continue
        yield from files_below(home, entry.name)
    for name in OF_STORE[1:]:
        yield from files_below(store, name)


def files_below(root: Place, name: str) -> Iterator[Path]:
    """Yield the files at *name* in *root* and below, relative to *root*, without half-written ones."""
    entry = root / name
    found = (
        [entry] if isinstance(entry, Path) and entry.is_file() else [each.place for each in find_files(entry)]
    )
    for place in found:
        path = Path(str(place).removeprefix(f"{root}/"))
        if path.suffix not in {".lock", ".partial"}:
            yield path


def copy_file(source: Place, target: Path) -> CopiedFile | None:
    """Copy the file *source* to *target* and return what was copied; None if it is gone meanwhile."""
    if not isinstance(source, Path):
        return _copy_object(source, target)
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


def _copy_object(source: ObjectPath, target: Path) -> CopiedFile | None:
    """Copy the object at *source* as `copy_file` does a file."""
    try:
        content = read_object(source)
    except FileNotFoundError:
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return CopiedFile(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


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
