"""Segments: the files of a journal. A header line with the columns and their types, then one line per row.

Each line stands behind its checksum, so that what a disk or a power cut has done to it is known. Segments of format 1,
which Regrow 0.3 wrote, have no checksums: their lines begin with a brace.
"""

import zlib
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from regrow.base.formats import check_format

SUFFIX = ".jsonl"
FORMAT = 2
HEADER = 1
"""The number of the header's line."""
CHECKSUM = 8
"""The digits of a checksum, which a space follows."""


class Segment(NamedTuple):
    """What a segment holds."""

    columns: dict[str, str]
    """The columns of the rows' features with their types."""
    rows: list[dict[str, Any]]
    damage: dict[int, str]
    """What is wrong with each line that cannot be read, by its number."""

    @property
    def places(self) -> list[int]:
        """The number of each row's line."""
        numbers = range(HEADER + 1, HEADER + 1 + len(self.rows) + len(self.damage.keys() - {HEADER}))
        return [number for number in numbers if number not in self.damage]


def segments(folder: Path) -> list[Path]:
    """List the segments in *folder*, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def number_of(segment: Path) -> int:
    """Return the number of *segment*."""
    return int(segment.stem)


def header_line(columns: dict[str, str]) -> bytes:
    """Return the first line of a segment with *columns*."""
    return sealed(orjson.dumps({"format": FORMAT, "columns": columns}))


def sealed(line: bytes) -> bytes:
    """Return *line* behind its checksum, with its end."""
    return b"%08x %b\n" % (zlib.crc32(line), line)


def read_segment(segment: Path) -> Segment:
    """Read *segment* as far as it can be read; a last line without its end was never acknowledged and is left out.

    Raises `NewerFormat` if a newer Regrow wrote it.
    """
    *lines, torn = segment.read_bytes().split(b"\n")
    if b"\0" in torn:  # No process writes a zero: the disk has lost what stood here.
        lines.append(torn)
    if not lines:
        return Segment({}, [], {})
    isold = lines[0].startswith(b"{")
    header, *read = [read_line(line, isold) for line in lines]
    if isinstance(header, dict):
        check_format(f"{segment}: the segment", header.get("format", 1), FORMAT)
    if isinstance(header, str) or not isinstance(header.get("columns"), dict):
        return Segment({}, [], dict.fromkeys(range(HEADER, HEADER + len(lines)), "its header is damaged"))
    damage = {number: said for number, said in enumerate(read, HEADER + 1) if isinstance(said, str)}
    return Segment(header["columns"], [row for row in read if isinstance(row, dict)], damage)


def read_line(line: bytes, isold: bool = False) -> dict[str, Any] | str:
    """Read one *line*, without a checksum if it *isold*; return what is wrong with it if it is damaged."""
    if not isold:
        line, checksum = line[CHECKSUM + 1 :], line[: CHECKSUM + 1]
        if checksum != b"%08x " % zlib.crc32(line):
            return "its checksum differs"
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return f"no JSON ({error})"
    return found if isinstance(found, dict) else "no JSON object"
