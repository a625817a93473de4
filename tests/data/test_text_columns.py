"""Text columns of a CSV file that were meant to be something else."""

from collections.abc import Callable

import pandas as pd
import pytest

from regrow.base.errors import DataError
from regrow.data.text_columns import check_text, misread_text, suspect
from regrow.project import CsvSource, Project

SOURCE = CsvSource(kind="csv", path="rows.csv")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["1.5", "2", "unknown"] + ["3"] * 40, r"1 of 43 values.*row 2: 'unknown'.*null_values: \[unknown\]"),
        (["$1,200.50", "$3", "$4"], r"amounts or shares such as '\$1,200.50'.*`numbers: \[a\]`"),
        (["12%", "3.5%"], r"numbers: \[a\]"),
        (["950", "1,200", "1,300", "7"], r"numbers: \[a\]"),
        (["1,5", "2,25", "3,5"], r'decimal `,`.*decimal: ","'),
        (["2024-01-05", "2024-02-05T03:00:00Z"], r'dates: \{a: "iso"\}'),
        (["05/01/2024", "12/01/2024"], r"%m/%d/%Y or %d/%m/%Y"),
        (["05/01/2024", "13/01/2024"], r'dates: \{a: "%d/%m/%Y"\}'),
        (["05/01/2024 10:00", "5/14/2024 9:30"], r'dates: \{a: "%m/%d/%Y %H:%M"\}'),
        (["05/01/2024"] * 30 + ["13/01/2024", "1/14/2024"], r"%m/%d/%Y or %d/%m/%Y"),
        (["5.1.2024 10:00:01", "13.1.2024 09:30:59"], r'"%d.%m.%Y %H:%M:%S"'),
        (["5 Jan 2024", "13 Feb 2024"], r'"%d %b %Y"'),
    ],
)  # fmt: skip
def test_what_was_meant_is_said(values: list[str], said: str) -> None:
    """Numbers with one bad cell, amounts, shares, decimal commas and dates are named with what reads them."""
    assert pd.Series([*suspect(pd.Series(values, name="a"), SOURCE)]).str.contains(said).tolist() == [True]


@pytest.mark.parametrize(
    "values",
    [
        ["red", "green", "1", "2"],
        [f"C{n}" for n in range(50)] + [str(n) for n in range(400)],
        ["85123A", "85123B", "22752"],
        ["a.b", "1-2", "12:30"],
        [],
    ],
)
def test_text_stays_text(values: list[str]) -> None:
    """Names, codes in which numbers are many, and an empty column are text, without a word."""
    assert list(suspect(pd.Series(values, name="a", dtype="str"), SOURCE)) == []


def test_only_a_csv_file_and_what_a_model_sees_is_looked_at(project: Callable[..., Project]) -> None:
    """What the file calls text, or nobody wants, is left alone; each of the others is named with its row."""
    frame = pd.DataFrame({"id": [f"r{n}" for n in range(20)], "a": ["?"] + ["1"] * 19, "b": ["$3"] * 20})
    made = project()
    with pytest.raises(DataError, match=r"column `a` .*row r0: '\?'.*\n.*column `b`"):
        check_text(made, frame, ["a", "b"])
    check_text(made, frame, [])
    data = {"source": {"kind": "csv", "path": "rows.csv", "text": ["a", "b"]}, "target": "late", "id": "id"}
    check_text(project(data=data), frame, ["a", "b"])


def test_text_of_another_source_that_is_none_is_told(project: Callable[..., Project]) -> None:
    """A Parquet file or a table may hold amounts and dates as text, learnt as categories: that is no secret."""
    frame = pd.DataFrame({"paid": ["$1,200", "$3"], "code": ["007", "12"], "kind": ["a", "b"]}).astype("str")
    parquet = project(data={"source": {"kind": "parquet", "path": "rows.parquet"}, "target": "kind"})
    (told,) = misread_text(parquet, frame, ["paid", "code"])
    assert told.startswith("column `paid` holds amounts or shares such as '$1,200', read as text; write them")
    csv = project(data={"source": {"kind": "csv", "path": "rows.csv"}, "target": "kind"})
    assert misread_text(csv, frame, ["paid", "code"]) == []
