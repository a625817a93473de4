"""What a column holds is told from its values."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regrow.inspection.columns import SAMPLE, describe_columns, take_sample
from regrow.project import CsvSource


@pytest.mark.parametrize(
    ("name", "values", "holds"),
    [
        ("a", [1.5, 2.0, np.nan, 4.0] * 10, "numbers"),
        ("a", [1.0, 2.0, np.nan, 4.0] * 10, "whole numbers"),
        ("a", [True, False, None] * 10, "true or false"),
        ("a", ["red", "green", None] * 10, "categories"),
        ("a", [f"Smith, Mr. {n}" for n in range(40)], "names"),
        ("a", [f"the quick brown fox number {n} jumps" for n in range(40)], "free text"),
        ("a", ["2024-01-01", "2024-02-01T10:00:00Z"] * 10, "dates"),
        ("a", [date(2024, 1, 1), date(2024, 1, 2)] * 10, "dates"),
        ("Unnamed: 0", list(range(40)), "row numbers"),
        ("rownames", list(range(1, 41)), "row numbers"),
        ("year", list(range(1980, 2020)), "whole numbers"),
        ("a", ["EUR"] * 40, "one value"),
        ("a", [None] * 40, "nothing"),
        ("a", [[1], [2]] * 20, "no single values"),
        ("a", [1, "x"] * 20, "no single values"),
    ],
)
def test_what_a_column_holds(name: str, values: list[Any], holds: str) -> None:
    """Numbers, text, dates, names and columns of no use are told apart, whatever pandas calls their type."""
    assert describe_columns(pd.DataFrame({name: values}))[0].holds == holds


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["$1,200.00", "$85", "$3,999"], "amounts or shares such as '$1,200.00'"),
        (["12 %", "7%", "3.5 %"], "amounts or shares"),
        (["1.200,50", "3,5", "-7,25"], "numbers with a decimal `,`"),
        (["1.5", "2.25", "0.5"], "holds numbers such as '1.5'"),
        (["1.5", "2.25", "0.5"] * 9 + ["unknown"], "text because of 10 of 280 values"),
        (["03/25/2024", "12/31/2023"], "dates such as"),
        (["25.3.2024 10:00", "1.12.2023 08:30"], "dates such as"),
        (["5 March 2024", "25 November 2023"], "dates such as"),
    ],
)
def test_numbers_and_dates_in_disguise_are_told(values: list[str], said: str) -> None:
    """Money, percent, decimal commas and dates of other habits are no categories: the remedy is said."""
    column = describe_columns(pd.DataFrame({"a": values * 10}))[0]
    assert said in column.note
    assert column.note.endswith(("write them as such in the source", "correct them"))
    assert not column.usable


def test_text_of_a_csv_file_is_told_by_its_options() -> None:
    """Beside a CSV file the remedy is an option of the project file, and what it describes already is none."""
    frame = pd.DataFrame({"a": ["1,5", "2,25"] * 20})
    plain, comma = (CsvSource(kind="csv", path="a.csv", separator=";", decimal=each) for each in ".,")
    assert 'write `decimal: ","`' in describe_columns(frame, plain)[0].note
    assert 'decimal: ","' not in describe_columns(frame, comma)[0].note


def test_codes_are_no_numbers_as_text() -> None:
    """Text with letters in it, and digits alone as of a postal code, stay categories, and has no note."""
    for codes in (["AB 12", "C7", "12b"], ["02139", "10001", "94103"]):
        column = describe_columns(pd.DataFrame({"a": codes * 10}))[0]
        assert (column.holds, column.note, column.usable) == ("categories", "", True)


def test_a_sample_is_the_same_each_time() -> None:
    """Of many rows a sample is looked at, in the order of the rows."""
    frame = pd.DataFrame({"a": range(SAMPLE + 10)})
    first, second = take_sample(frame, 50), take_sample(frame, 50)
    pd.testing.assert_frame_equal(first, second)
    assert first["a"].is_monotonic_increasing
    assert take_sample(frame, SAMPLE + 10) is frame
