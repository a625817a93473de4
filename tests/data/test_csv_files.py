"""CSV files as people write them: no value is read as something that it is not."""

import gzip
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.base.errors import DataError
from regrow.data import csv_files
from regrow.data.csv_files import open_csv, read_amounts
from regrow.data.selection import Selection, join_chunks
from regrow.project import CsvSource

WHERE = "m.yaml: data.source"


def source(**options: Any) -> CsvSource:
    """Describe a CSV file with *options*."""
    return CsvSource.model_validate({"kind": "csv", "path": "rows.csv"} | options, strict=False)


def read(path: Path, content: bytes | str, **options: Any) -> pd.DataFrame:
    """Write *content* to *path* and read it with *options*."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return join_chunks(open_csv(source(**options), path, WHERE).chunks(Selection()))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_number_is_read_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    """A number in a CSV file is the one that Python reads, as the model server does, to the last bit."""
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    found = read(path, "a,b\n" + "".join(f"{value!r},x\n" for value in values))
    np.testing.assert_array_equal(found["a"].to_numpy(dtype=float), np.array(values))


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"\xef\xbb\xbfid,size,word\n1,1200.5,caf\xc3\xa9\n2,3,\n", {}),
        (b'\xef\xbb\xbf"id","size","word"\n1,1200.5,caf\xc3\xa9\n2,3,\n', {}),
        ("id;size;word\n1;1.200,5;café\n2;3;\n".encode("latin-1"), {"encoding": "latin-1"} | {
            "separator": ";", "decimal": ",", "thousands": "."}),
        ("id,size,word\n1,1200.5,'café'\n2,3,?\n".encode(), {"quote": "'", "null_values": ["?"]}),
        ("id\tsize\tword\n1\t1200.5\tcafé\n2\t3\t\n".encode("utf-16"), {"encoding": "utf-16", "separator": "\t"}),
        ("id,size,word\n1,$1 200.50,café\n2,3.00 EUR,\n".encode(), {"numbers": ["size"]}),
    ],
)  # fmt: skip
def test_a_file_is_read_as_it_is_described(tmp_path: Path, content: bytes, options: dict[str, Any]) -> None:
    """Marks, encodings, separators, decimals, quotes and words for a missing value give the same rows."""
    found = read(tmp_path / "rows.csv", content, **options)
    assert found["id"].tolist() == [1, 2]
    assert found["size"].tolist() == [1200.5, 3.0]
    assert found["word"].fillna("-").tolist() == ["café", "-"]


def test_quotes_and_backslashes_mean_what_the_file_says(tmp_path: Path) -> None:
    """Without a quote it is text like any other; a backslash lets the next character stand for itself."""
    plain = read(tmp_path / "a.csv", 'size;word\n1;6" nail\n2;"loose\n', separator=";", quote=None)
    assert plain["word"].tolist() == ['6" nail', '"loose']
    escaped = read(tmp_path / "b.csv", 'size,word\n1,"a \\"b\\", c"\n2,d\\,e\n', escape="\\")
    assert escaped["word"].tolist() == ['a "b", c', "d,e"]
    assert escaped["size"].tolist() == [1, 2]
    with pytest.raises(ValueError, match="escape is `,`, which means something else"):
        source(escape=",")


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    """A file that ends in `.gz` is unpacked while it is read."""
    assert read(tmp_path / "rows.csv.gz", gzip.compress(b"a,b\n1,x\n"))["a"].tolist() == [1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\nx,1,2\ny,3,4\n", "a row has more fields than its header"),
        (b"a,b\nx,1\n" + b"y,2\n" * 9 + b"z,1,2\n", "Expected 2 fields in line 12, saw 3"),
        (b"a,b,\n1,2,\n", "column 3 has no name"),
        (b",a\nx,1\ny,2\n", "column 1 has no name"),
        ("a,b\né,1\n".encode("latin-1"), "can't decode byte 0xe9.*`encoding: latin-1`"),
    ],
)
def test_a_file_that_would_be_read_wrongly_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, said: str
) -> None:
    """Rows that are longer than the header, columns without a name, and another encoding are said, in any chunk."""
    monkeypatch.setattr(csv_files, "CHUNK", 4)
    with pytest.raises(DataError, match=rf"m\.yaml: data\.source\.path: .*rows\.csv: .*{said}"):
        read(tmp_path / "rows.csv", content)


def test_row_numbers_are_left_out_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A first column without a name that only numbers the rows, as R and pandas write it, is no feature."""
    with caplog.at_level(logging.WARNING, "regrow.data"):
        found = read(tmp_path / "rows.csv", b'"","a","b"\n"1",5,x\n"2",6,y\n"9",7,z\n')
    assert list(found) == ["a", "b"]
    assert found["a"].tolist() == [5, 6, 7]
    assert "holds row numbers: it is left out" in caplog.text


def test_text_that_looks_like_a_number_stays_text_if_told(tmp_path: Path) -> None:
    """Codes with leading zeros stay as they are if the project file says that they are text."""
    assert read(tmp_path / "rows.csv", b"code\n007\n010\n", text=["code"])["code"].tolist() == ["007", "010"]


def test_dates_are_read_by_their_format(tmp_path: Path) -> None:
    """A column of dates with its format becomes moments; a missing one stays so, and a wrong one is named."""
    found = read(tmp_path / "rows.csv", b"born,x\n03/04/2001,1\n,2\n", dates={"born": "%m/%d/%Y"})
    assert found["born"][0] == pd.Timestamp("2001-03-04T00:00Z")
    assert pd.isna(found["born"][1])
    with pytest.raises(
        DataError, match=r"data\.source\.dates: column `born`, row 0: '31/12/2001' is not written"
    ):
        read(tmp_path / "rows.csv", b"born,x\n31/12/2001,1\n", dates={"born": "%m/%d/%Y"})


def test_an_option_for_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A column that the options name and the file lacks is an error with the option's key."""
    with pytest.raises(
        DataError, match=r"data\.source\.numbers: the file has no column `prize`; it has price"
    ):
        read(tmp_path / "rows.csv", b"price\n1\n", numbers=["prize"])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("$1,200.50", 1200.5), ("(300)", -300), ("-€ 3", -3), ("12%", 0.12), ("1'000 CHF", 1000), ("1 234", 1234),
        (".5", 0.5), ("- 2", -2),
    ],
)  # fmt: skip
def test_an_amount_is_read_with_its_sign(text: str, number: float) -> None:
    """Currencies, percent, brackets and separators of thousands are read as an accountant does."""
    assert read_amounts(pd.Series([text, None]), source(), WHERE).tolist()[0] == pytest.approx(number)


@pytest.mark.parametrize("text", ["1,5", "12,34,56", "(3", "3)", "about 3", "1.2.3", "%"])
def test_what_is_no_amount_is_named(text: str) -> None:
    """A value that is no amount is named with its row; a decimal comma is not taken for thousands."""
    with pytest.raises(DataError, match=r"column `price`, row 1: .* is no amount \(1 such rows\)"):
        read_amounts(pd.Series(["$3", text], name="price"), source(), f"{WHERE}.numbers")


def test_what_names_a_row_keeps_its_zeros(tmp_path: Path) -> None:
    """Row 007 is not row 7, as the model server and its labels see it; names without such zeros stay numbers."""
    path = tmp_path / "rows.csv"
    path.write_text("id,who,size,n\n007,1,01,\n012,,2,5\n")
    opened = open_csv(source(), path, WHERE, ["id", "who", "gone"])
    found = join_chunks(opened.chunks(Selection()))
    assert found["id"].tolist() == ["007", "012"]
    assert found["who"].dropna().tolist() == [1.0]
    assert found["size"].tolist() == [1, 2]
