"""Compressed CSV files: told by their suffix, as pandas tells them, and read as bytes."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from regrow.base.errors import DataError

OPENERS: dict[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zip": zipfile.ZipFile,
}
"""What is read, by suffix."""
OTHER = {
    ".zst", ".zstd", ".tar", ".tgz", ".tbz2", ".txz", ".7z", ".rar", ".lz4", ".lzma", ".br", ".xlsx", ".xls", ".ods",
}  # fmt: skip
"""Suffixes of files that are not read."""
BEGINNINGS = {
    b"\x1f\x8b": "gzip; name it `.csv.gz`",
    b"BZh": "bzip2; name it `.csv.bz2`",
    b"\xfd7zXZ\x00": "xz; name it `.csv.xz`",
    b"PK\x03\x04": "zip, or a workbook; name it `.csv.zip`, or save the workbook as CSV",
    b"\x28\xb5\x2f\xfd": "zstd; write it as `.csv.gz`",
    b"\xd0\xcf\x11\xe0": "a workbook; save it as CSV",
}
"""How files of these kinds begin, and what is to be done if they are named otherwise."""
BLOCK = 1 << 20
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""What is raised of a file that cannot be opened, was cut short, or is not of the kind that its suffix names."""


def check_compression(path: Path, place: str) -> None:
    """Raise `DataError` that begins with *place* if the CSV file at *path* is compressed in a way that is not read."""
    known = " ".join(f"`{suffix}`" for suffix in OPENERS)
    names = [suffix.lower() for suffix in path.suffixes]
    if names and names[-1] in OPENERS and ".tar" not in names[-2:]:
        return
    if odd := next((name for name in names[-2:] if name in OTHER), None):
        raise DataError(
            f"{place}: `{odd}` files are not read; write the table as CSV, plain or compressed ({known}), or as Parquet"
        )
    with path.open("rb") as stream:
        begin = stream.read(8)
    for mark, told in BEGINNINGS.items():
        if begin.startswith(mark):
            raise DataError(f"{place}: the file is {told}")


@contextmanager
def open_bytes(path: Path, place: str) -> Iterator[IO[bytes]]:
    """Open the CSV file at *path* for its bytes, as they were before it was compressed.

    Raises `DataError` that begins with *place* if it cannot be read, or is compressed in another way than `OPENERS`.
    """
    try:
        check_compression(path, place)
        opener = OPENERS.get(path.suffix.lower())
        if opener is zipfile.ZipFile:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                if len(names) != 1:
                    raise DataError(f"{place}: it holds {len(names)} files; make it hold one, the CSV file")
                with archive.open(names[0]) as stream:
                    yield stream
        else:
            with (opener or open)(path, "rb") as stream:
                yield stream
    except BROKEN as error:
        raise DataError(f"{place}: cannot be read: {error or type(error).__name__}") from error


def count_lines(path: Path, place: str) -> int:
    """Return the number of lines of the CSV file at *path*: its rows, or more if a quoted field holds a line break.

    Raises `DataError` that begins with *place* if it cannot be read.
    """
    lines, last = 0, b"\n"
    with open_bytes(path, place) as stream:
        while block := stream.read(BLOCK):
            lines += block.count(b"\n")
            last = block[-1:]
    return lines + (last != b"\n")
