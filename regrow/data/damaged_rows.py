"""Erase a person's rows from what was set aside as damaged: segments of journals, commits and data files of tables.

What cannot be read is removed if it shows the person's id whole; if it only may be theirs, its file is named for a
person to look at.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from regrow.base.settings import load_settings
from regrow.data.delta import open_table
from regrow.data.delta_files import KEPT, LOG_FOLDER
from regrow.data.files import LOCK, SET_ASIDE, state_errors, write_whole
from regrow.data.labels import labels_path
from regrow.data.predictions import predictions_path

OLD_ASIDE = ".damaged"
"""The suffix of journal files that Regrow 0.3 set aside."""
NOTE = ".json"
"""The suffix of what says what is wrong with a segment that was set aside."""
CHECKSUM = 9
"""The digits of a line's checksum, and the space behind them."""
NAMES = re.compile(rb'"(?:prediction_id|row_key)":("[^"\\\\]*")')
"""What a line names beside the entity."""
ERASED = "a row could not be logged"
"""What a note says in place of a reason that shows the id."""


@dataclass(frozen=True)
class ErasedAside:
    """What was erased of what had been set aside."""

    lines: int
    """Lines of journals, and files of tables."""
    unclear: tuple[Path, ...]
    """Files that may still hold rows of the person: somebody must look at them."""

    def __add__(self, other: "ErasedAside") -> "ErasedAside":
        """Return both together."""
        return ErasedAside(self.lines + other.lines, (*self.unclear, *other.unclear))


@dataclass(frozen=True)
class Person:
    """How the rows of an entity are known in bytes."""

    entity: str
    names: frozenset[str] = frozenset()
    """The ids of the person's predictions, and their row keys."""

    def has(self, line: bytes) -> bool:
        """Return whether *line* of a journal names the person, one of their predictions, or one of their rows."""
        name = _quoted(self.entity)
        marks = [f'"{key}":'.encode() + name for key in ("entity_id", "row_key", "e")]
        marks.append(b'"row_key":' + name[:-1] + b"@")
        if any(mark in line for mark in marks):
            return True
        return bool(self.names) and any(orjson.loads(found) in self.names for found in NAMES.findall(line))


def erase_set_aside(model: str, person: Person, dry_run: bool = False) -> ErasedAside:
    """Erase the lines of *person* from the journal files of *model* that were set aside as damaged."""
    return sum((_clean(path, person, dry_run) for path in _aside(model)), ErasedAside(0, ()))


def erase_damaged_files(model: str, person: Person, dry_run: bool = False) -> ErasedAside:
    """Erase what power cuts and killed writers left of *model*'s tables: nobody reads it, and it may hold the person.

    These are commits that were set aside, and data files that no commit names.
    """
    found = ErasedAside(0, ())
    for path in (labels_path(model), predictions_path(model)):
        if not isinstance(
            path, Path
        ):  # In a bucket nothing is ever torn; what no commit names, a vacuum removes.
            continue
        for file in [*_kept_commits(path, person), *_unnamed(path, person)]:
            found += ErasedAside(1, ())
            if not dry_run:
                with state_errors(file, "cannot be removed"):
                    file.unlink(missing_ok=True)
    return found


def is_aside(path: Path) -> bool:
    """Return whether the journal file at *path* was set aside as damaged, or is the note of one."""
    return path.suffix == OLD_ASIDE or path.parent.name == SET_ASIDE


def journal_files(model: str) -> list[Path]:
    """Return all files of the journals of *model*."""
    folder = load_settings().journal / model
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _aside(model: str) -> list[Path]:
    return [path for path in journal_files(model) if is_aside(path) and path.suffix != NOTE]


def _clean(path: Path, person: Person, dry_run: bool) -> ErasedAside:
    """Erase the lines of *person* from the segment at *path* and what its note says of them."""
    lines = path.read_bytes().split(b"\n")
    theirs = {number for number, line in enumerate(lines, 1) if _is_theirs(line, person)}
    left = [line for number, line in enumerate(lines, 1) if number not in theirs]
    doubtful = person.entity.encode()
    unclear = any(doubtful in line and not _is_readable(line) for line in left)
    if theirs and not dry_run:
        write_whole(path, b"\n".join(left))
        _mend_note(path.with_suffix(NOTE), theirs, person)
    return ErasedAside(len(theirs), (path,) if unclear else ())


def _is_theirs(line: bytes, person: Person) -> bool:
    """Return whether *line* is of *person*; of one that cannot be read it is enough that it shows the id whole."""
    return person.has(line) or (not _is_readable(line) and _quoted(person.entity) in line)


def _is_readable(line: bytes) -> bool:
    """Return whether *line* holds a JSON object, with a checksum before it or without."""
    try:
        return isinstance(orjson.loads(line if line.startswith(b"{") else line[CHECKSUM:]), dict)
    except orjson.JSONDecodeError:
        return not line.strip()


def _mend_note(note: Path, gone: Collection[int], person: Person) -> None:
    """Take the lines *gone* out of *note*, count the others anew, and leave no reason in it that shows the id."""
    try:
        said: dict[str, Any] = orjson.loads(note.read_bytes())
        reasons: dict[str, str] = said["lines"]
        counted = int(said["rows"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    kept = {
        str(int(number) - sum(each < int(number) for each in gone)): ERASED
        if person.entity in reason
        else reason
        for number, reason in reasons.items()
        if int(number) not in gone
    }
    rows = counted - (len(reasons) - len(kept))
    write_whole(note, orjson.dumps({"rows": rows, "lines": kept}))


def _kept_commits(path: Path, person: Person) -> Iterator[Path]:
    """Yield what power cuts damaged of the table's log, if it may show the id: a checkpoint's bytes are compressed."""
    for file in sorted((path / KEPT).iterdir()) if (path / KEPT).is_dir() else []:
        if file.name != LOCK and (file.suffix == ".parquet" or person.entity.encode() in file.read_bytes()):
            yield file


def _unnamed(path: Path, person: Person) -> Iterator[Path]:
    """Yield the data files of commits that were set aside, which no commit of today names, with a row of *person*."""
    if not (path / KEPT).is_dir():
        return
    table = open_table(path)
    added = [] if table is None else table.get_add_actions(flatten=True).column("path").to_pylist()
    named = {path / unquote(str(place)) for place in added}
    last = max(file.stat().st_mtime for file in (path / KEPT).iterdir())
    for file in sorted(path.rglob("*.parquet")):
        isdata = not {LOG_FOLDER, KEPT} & set(file.relative_to(path).parts)
        # A younger file may be one that is being committed at this moment.
        if isdata and file not in named and file.stat().st_mtime <= last and _may_hold(file, person):
            yield file


def _may_hold(file: Path, person: Person) -> bool:
    """Return whether the data *file* has a row of *person*, or cannot be read: then it is of no use to anybody."""
    try:
        table = pq.ParquetFile(file).read()
    except (pa.ArrowException, OSError):
        return True
    wanted = pa.array([person.entity, *sorted(person.names)], pa.string())
    columns = [name for name in ("entity_id", "row_key", "prediction_id") if name in table.column_names]
    hits = [pc.any(pc.is_in(table.column(name), wanted)).as_py() for name in columns]  # pyright: ignore[reportAttributeAccessIssue]
    return any(hits)


def _quoted(text: str) -> bytes:
    """Return *text* as it stands in a line of JSON."""
    return json.dumps(text, ensure_ascii=False).encode()
