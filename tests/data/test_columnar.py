"""Parquet and Delta Lake: only what is wanted is read, of whatever number of files."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regrow.base.errors import DataError
from regrow.data.columnar import open_parquet
from regrow.data.selection import Selection, join_chunks

START, END = datetime(2024, 1, 10, tzinfo=UTC), datetime(2024, 1, 20, tzinfo=UTC)


def read(path: Path, **selected: Any) -> pd.DataFrame:
    """Read what is *selected* of the file or folder at *path*."""
    return join_chunks(open_parquet(path, "m.yaml: data.source.path").chunks(Selection(**selected)))


def days(unit: str = "us", zone: str | None = "UTC") -> pd.DataFrame:
    """Make a row for each day of January."""
    at = pd.Series(pd.date_range("2024-01-01", periods=31, tz=zone)).dt.as_unit(unit)
    return pd.DataFrame({"at": at, "size": np.arange(31.0), "b.c": np.arange(31)})


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_rows_beside_the_period_are_not_read(tmp_path: Path, unit: str, zone: str | None) -> None:
    """A period is read of times of any unit and zone; no row of it is missing, a row beside its end may come."""
    days(unit, zone).to_parquet(tmp_path / "rows.parquet", row_group_size=5)
    found = read(tmp_path / "rows.parquet", timestamp="at", start=START, end=END)
    times = pd.to_datetime(found["at"], utc=True)
    whole = pd.to_datetime(days(unit, zone)["at"], utc=True)
    assert (
        times[(times >= START) & (times < END)].tolist() == whole[(whole >= START) & (whole < END)].tolist()
    )
    assert len(found) <= 11


def test_row_groups_beside_the_period_are_not_touched(tmp_path: Path) -> None:
    """A broken page outside the period, or in a column that is not wanted, is never looked at."""
    path = tmp_path / "rows.parquet"
    days().to_parquet(path, row_group_size=10, compression=None)
    chunk = pq.ParquetFile(path).metadata.row_group(2).column(1)
    content = bytearray(path.read_bytes())
    content[chunk.dictionary_page_offset or chunk.data_page_offset :][:4] = b"\xff" * 4
    begin = chunk.dictionary_page_offset or chunk.data_page_offset
    content[begin : begin + 20] = b"\xff" * 20
    path.write_bytes(bytes(content))
    assert len(read(path, timestamp="at", start=START, end=datetime(2024, 1, 15, tzinfo=UTC))) in {5, 6}
    assert len(read(path, columns=frozenset({"b.c"}))) == 31
    with pytest.raises(DataError, match=r"m\.yaml: data\.source\.path: cannot be read"):
        read(path)


def test_a_row_without_a_time_is_read(tmp_path: Path) -> None:
    """A missing time belongs to no period, and its row comes all the same, so that somebody can say so."""
    frame = days()
    frame.loc[3, "at"] = pd.NaT
    frame.to_parquet(tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet", timestamp="at", start=START, end=END)["at"].isna().sum() == 1


def test_only_the_wanted_columns_are_read(tmp_path: Path) -> None:
    """Columns come in the order of the file, whatever is in their names; one that is not there is passed over."""
    days().to_parquet(tmp_path / "rows.parquet")
    assert list(read(tmp_path / "rows.parquet", columns=frozenset({"b.c", "at", "z"}))) == ["at", "b.c"]


def test_folders_that_name_a_column_give_it(tmp_path: Path) -> None:
    """A folder `month=3` gives each of its rows a column."""
    for month in (1, 2):
        (tmp_path / f"month={month}").mkdir()
        days().to_parquet(tmp_path / f"month={month}" / "rows.parquet")
    found = read(tmp_path)
    assert found["month"].astype(int).tolist() == [1] * 31 + [2] * 31


def test_a_column_that_came_later_is_read(tmp_path: Path) -> None:
    """A file of a folder may have more columns, and numbers with decimals, than the first one."""
    days()[["at", "b.c"]].to_parquet(tmp_path / "1.parquet")
    days().assign(**{"b.c": 0.5}).to_parquet(tmp_path / "2.parquet")
    found = read(tmp_path)
    assert found["size"].isna().sum() == 31
    assert found["b.c"].tolist()[30:32] == [30.0, 0.5]


def test_numbers_and_text_of_two_files_are_named(tmp_path: Path) -> None:
    """A column that is text in one file and a number in another is an error that names both."""
    days().to_parquet(tmp_path / "1.parquet")
    days().assign(size="big").to_parquet(tmp_path / "2.parquet")
    with pytest.raises(
        DataError, match=r"2\.parquet: column `size` is .*string, and double in the first file"
    ):
        open_parquet(tmp_path, "m.yaml: data.source.path")


def test_what_names_the_rows_of_a_frame_is_a_column(tmp_path: Path) -> None:
    """An index that has a name is a column, one that pandas made up is none; types of pandas' own stay."""
    frame = days().assign(count=pd.array([1, None] * 15 + [2], dtype="Int64"))
    frame.set_index("size").to_parquet(tmp_path / "named.parquet")
    frame.sample(frac=1, random_state=0).to_parquet(tmp_path / "shuffled.parquet")
    assert set(read(tmp_path / "named.parquet")) == {"at", "size", "b.c", "count"}
    assert list(read(tmp_path / "shuffled.parquet")) == ["at", "size", "b.c", "count"]
    assert str(read(tmp_path / "named.parquet")["count"].dtype) == "Int64"


def test_an_empty_file_gives_its_columns(tmp_path: Path) -> None:
    """A file without a row, or a period without one, gives a frame with the columns and no row."""
    days()[:0].to_parquet(tmp_path / "rows.parquet")
    assert list(read(tmp_path / "rows.parquet")) == ["at", "size", "b.c"]
    pq.write_table(pa.table({"at": pa.array([], pa.timestamp("us"))}), tmp_path / "none.parquet")
    assert read(tmp_path / "none.parquet", timestamp="at", start=START, end=END).empty


def test_a_sample_comes_from_all_parts(tmp_path: Path) -> None:
    """About as many rows as asked for are read, in order, spread over files and row groups, with folders' columns."""
    for month in range(3):
        folder = tmp_path / "rows" / f"month={month}"
        folder.mkdir(parents=True)
        pd.DataFrame({"n": np.arange(1000) + 1000 * month}).to_parquet(
            folder / "1.parquet", row_group_size=90
        )
    found = read(tmp_path / "rows", most=100)
    assert 80 <= len(found) <= 100
    assert found["n"].is_monotonic_increasing
    assert found["n"].min() < 30
    assert found["n"].max() > 2970
    assert set(found["month"]) == {0, 1, 2}
    assert len(read(tmp_path / "rows", most=3000)) == 3000


def test_what_is_read_ahead_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """After the first chunk of a file of sixty row groups a few are held; Arrow's scanner would hold them all."""
    path = tmp_path / "rows.parquet"
    table = pa.table({f"n{place}": np.random.default_rng(place).normal(size=50_000) for place in range(4)})
    with pq.ParquetWriter(path, table.schema) as writer:
        for _ in range(60):
            writer.write_table(table)
    before = pa.total_allocated_bytes()
    chunks = open_parquet(path, "here").chunks(Selection())
    first = next(iter(chunks))
    time.sleep(0.5)  # Whatever reads ahead has had the time to.
    assert pa.total_allocated_bytes() - before < 8 * table.nbytes
    assert len(first) + sum(len(chunk) for chunk in chunks) == 3_000_000
