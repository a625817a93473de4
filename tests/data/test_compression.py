"""Compressed CSV files."""

import gzip
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from regrow.base.errors import DataError
from regrow.data.compression import check_compression, count_lines, open_bytes
from regrow.data.csv_files import open_csv
from regrow.data.selection import Selection
from regrow.project import CsvSource


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv.zst", b"x", "`.zst` files are not read; write the table as CSV"),
        ("a.tar.gz", b"x", "`.tar` files are not read"),
        ("a.xlsx", b"PK", "`.xlsx` files are not read"),
        ("a.csv", gzip.compress(b"a,b", mtime=0), "the file is gzip; name it `.csv.gz`"),
        ("a.csv", b"PK\x03\x04", "save the workbook as CSV"),
    ],
)
def test_what_is_not_read_is_said(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    """A kind of compression that is not read, or that the name hides, is refused with what to do, by the reader too."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"HERE: .*{said}"):
        check_compression(path, "HERE")
    with pytest.raises(DataError, match=said):
        open_csv(CsvSource(kind="csv", path=name), path, "data.source")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.bz2", "a.csv.xz", "a.csv.zip"])
def test_a_broken_file_is_said(name: str, tmp_path: Path) -> None:
    """A file that is cut short, or not what its suffix says, is an error that names it, whoever reads it."""
    path = tmp_path / name
    pd.DataFrame({"a": range(10_000)}).to_csv(path, index=False)
    for broken in (path.read_bytes()[:-100], b"no such thing"):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="HERE: cannot be read"):
            count_lines(path, "HERE")
        with pytest.raises(DataError, match="cannot be read"):
            list(open_csv(CsvSource(kind="csv", path=name), path, "data.source").chunks(Selection()))


def test_an_archive_holds_one_file(tmp_path: Path) -> None:
    """An archive of several files is refused with their number."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
        archive.writestr("b.csv", "a\n1\n")
    with pytest.raises(DataError, match="it holds 2 files"), open_bytes(tmp_path / "a.zip", "HERE"):
        pass


@pytest.mark.parametrize(("content", "lines"), [("", 0), ("a", 1), ("a\n", 1), ("a\nb", 2)])
def test_lines_are_counted(content: str, lines: int, tmp_path: Path) -> None:
    """The last line counts whether it ends or not."""
    (tmp_path / "a.csv").write_text(content)
    assert count_lines(tmp_path / "a.csv", "HERE") == lines
