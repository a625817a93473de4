"""The files of a Delta Lake table on the local disk: made durable, and put right after a power cut.

What is put into a bucket is durable and whole at once, so of a table there nothing is to be done.

Delta Lake flushes nothing. After a power cut the newest commits may therefore be empty or torn, or name data files
that are; an empty one is even read as a commit of no rows. So each append waits until all commits up to its own are on
the disk, and each commit says up to which one that was so when it was made. Of the commits behind that one, those from
the first damaged one on are set aside when a process first opens the table: nobody was told that they are safe, and
what they held is written again by whoever wrote it.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from regrow.base.errors import Busy
from regrow.base.places import Place
from regrow.data.files import flush_to_disk, locked_file, state_errors

logger = logging.getLogger("regrow.data")
LOG_FOLDER, HINT, KEPT = "_delta_log", "_last_checkpoint", "_damaged"
DURABLE = "regrow.durable"
"""In a commit: the last version that was known to be on the disk when it was made."""
DIGITS = 20
"""Of a version in the name of a file."""
FIRST = 100
"""Versions that are looked at if no commit says what is on the disk; the system has written older ones long ago."""
PARQUET = b"PAR1"
"""What a whole Parquet file begins and ends with."""
PATIENCE = 10.0
"""Seconds that another process may take to put a table right."""
_durable: dict[Place, int] = {}
"""The last version of each table that this process knows to be on the disk."""
_looked_at: set[Path] = set()
"""The tables whose newest commits this process has looked at."""


@dataclass
class Commit:
    """What a commit says."""

    added: dict[str, int] = field(default_factory=dict)
    """The size of each data file that it adds, by its path in the table."""
    removed: set[str] = field(default_factory=set)
    durable: int = -1


def last_durable(path: Place) -> int:
    """Return the last version of the table at *path* that this process knows to be on the disk; -1 if none."""
    return _durable.get(path, -1)


def durable_note(path: Place) -> dict[str, str]:
    """Return what a commit to the table at *path* says of those before it."""
    return {DURABLE: str(last_durable(path))} if isinstance(path, Path) else {}


def make_durable(path: Place) -> None:
    """Return once every commit of the table at *path*, with its data files, is on the disk.

    Raises `StateError` if the disk fails.
    """
    if not isinstance(path, Path):
        return
    log = path / LOG_FOLDER
    known = _durable.get(path)
    if known is None or not _commit(log, known).exists():
        versions = _versions(log) or [0]
        known = max(versions[0], versions[-1] - FIRST) - 1
    folders = set[Path]()
    last = known
    with state_errors(path, "the table cannot be flushed to the disk"):
        for version in count(known + 1):
            if not _commit(log, version).exists():
                break
            commit = read_commit(_commit(log, version)) or Commit()
            for name in commit.added:
                file = path / name
                if file.exists():  # A compaction since may have replaced it, and a vacuum removed it.
                    flush_to_disk(file)
                    folders |= {file.parent, path}
            flush_to_disk(_commit(log, version))
            folders |= {log, path}
            last = version
        for folder in sorted(folders):
            flush_to_disk(folder)
    if last >= 0:
        _durable[path] = last
        _looked_at.add(path)


def flush_checkpoint(path: Place, version: int) -> None:
    """Return once the checkpoint of *version* of the table at *path* is on the disk."""
    if not isinstance(path, Path):
        return
    log = path / LOG_FOLDER
    with state_errors(path, "its checkpoint cannot be flushed to the disk"):
        for file in _of_versions(log, [version]):
            flush_to_disk(file)
        flush_to_disk(log)


def put_right(path: Place) -> None:
    """Set aside what a power cut has damaged of the table at *path*, the first time that this process opens it.

    Raises `StateError` if the disk does not let it, `Busy` if another process does the same for too long.
    """
    if not isinstance(path, Path) or path in _looked_at or not (path / LOG_FOLDER).is_dir():
        return
    deadline = time.monotonic() + PATIENCE
    with state_errors(path, "what a power cut has damaged cannot be set aside"):
        while _damage(path) is not None or _torn_checkpoints(path):
            kept = path / KEPT
            kept.mkdir(exist_ok=True)
            with locked_file(kept / "lock") as locked:
                if locked:
                    _set_aside(path, kept)
            if time.monotonic() > deadline:
                raise Busy(f"{path}: another process is putting the table right; try again")
            time.sleep(0 if locked else 0.1)
    _looked_at.add(path)


def read_commit(file: Path) -> Commit | None:
    """Read the commit in *file*; None if it is empty, torn or gone."""
    try:
        actions = [orjson.loads(line) for line in file.read_bytes().splitlines() if line.strip()]
        return _told(actions) if actions else None
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _told(actions: list[dict[str, Any]]) -> Commit:
    """Return what the *actions* of a commit say."""
    commit = Commit()
    for action in actions:
        if add := action.get("add"):
            commit.added[unquote(add["path"])] = int(add["size"])
        if remove := action.get("remove"):
            commit.removed.add(unquote(remove["path"]))
        if said := (action.get("commitInfo") or {}).get(DURABLE):
            commit.durable = int(said)
    return commit


def _damage(path: Path) -> int | None:
    """Return the first version of the table at *path* that a power cut has damaged; None if all are whole."""
    log, versions = path / LOG_FOLDER, _versions(path / LOG_FOLDER)
    if not versions:
        return None
    durable, first, removed = last_durable(path), None, set[str]()
    checkpoint = max((int(file.name[:DIGITS]) for file in _checkpoints(log)), default=-1)
    for version in range(versions[-1], max(versions[-1] - FIRST, versions[0] - 1), -1):
        if version <= durable:
            break
        commit = read_commit(_commit(log, version))
        if commit is None and version <= checkpoint and not _commit(log, version).exists():
            break  # What a checkpoint holds is cleaned away.
        if commit is None:
            first = version
            continue
        durable, removed = max(durable, commit.durable), removed | commit.removed
        if not all(_is_whole(path / name, commit.added[name]) for name in commit.added.keys() - removed):
            first = version
    return first


def _is_whole(file: Path, size: int) -> bool:
    """Return whether the Parquet *file* has its *size*, its beginning and its end."""
    try:
        with file.open("rb") as stream:
            begin = stream.read(len(PARQUET))
            stream.seek(max(0, size - len(PARQUET)))
            return begin == PARQUET and stream.read() == PARQUET and file.stat().st_size == size
    except FileNotFoundError:
        return False


def _torn_checkpoints(path: Path) -> list[Path]:
    """List those of the newest checkpoints of the table at *path* that are not whole; its commits hold the same."""
    newest = _checkpoints(path / LOG_FOLDER)[-3:]
    return [file for file in newest if not _is_whole(file, file.stat().st_size)]


def _set_aside(path: Path, kept: Path) -> None:
    """Move the damaged commits of the table at *path*, newest first, and torn checkpoints to *kept*."""
    log, first = path / LOG_FOLDER, _damage(path)
    moved = [] if first is None else [version for version in reversed(_versions(log)) if version >= first]
    torn = _torn_checkpoints(path)
    if torn or moved:
        (log / HINT).unlink(missing_ok=True)
    for file in dict.fromkeys((*torn, *_of_versions(log, moved))):
        file.replace(kept / f"{time.time_ns()}-{file.name}")
    for folder in (kept, log):
        flush_to_disk(folder)
    if moved:
        logger.error(
            "%s: a power cut has damaged versions %d to %d; they are set aside in %s, and their rows are written again "
            "from where they came from",
            path,
            moved[-1],
            moved[0],
            kept,
        )


def _of_versions(log: Path, versions: list[int]) -> Iterator[Path]:
    """List the checkpoints and commits of *versions* in *log*, in that order."""
    checkpoints = _checkpoints(log)
    for version in versions:
        yield from (file for file in checkpoints if int(file.name[:DIGITS]) == version)
        yield _commit(log, version)


def _versions(log: Path) -> list[int]:
    """List the versions that have a commit in *log*."""
    return sorted(int(name[:DIGITS]) for name in _names(log) if name.endswith(".json"))


def _checkpoints(log: Path) -> list[Path]:
    """List the checkpoints in *log*, oldest first."""
    return sorted(log / name for name in _names(log) if ".checkpoint." in name and name.endswith(".parquet"))


def _names(log: Path) -> list[str]:
    """List the files in *log* whose names begin with a version."""
    return [file.name for file in log.iterdir() if file.name[:DIGITS].isdigit()] if log.is_dir() else []


def _commit(log: Path, version: int) -> Path:
    """Return the file of the commit of *version*."""
    return log / f"{version:0{DIGITS}d}.json"
