"""What dates, names and groups the rows."""

import numpy as np
import pandas as pd
import pytest
from loans import loans

from regrow.inspection.columns import describe_columns
from regrow.inspection.keys import Keys, find_keys


def keys_of(frame: pd.DataFrame, target: str = "repaid") -> Keys:
    return find_keys(frame, describe_columns(frame), target)


def test_time_row_and_entity_of_a_table() -> None:
    """The event's time, the unique key and whom the row is about are found, and the guess is said."""
    found = keys_of(loans())
    assert (found.timestamp, found.row, found.entity) == ("issued_at", "loan_id", "customer")
    assert "`customer` recurs" in found.unsure[-1]


def test_of_two_times_the_one_named_so_is_taken() -> None:
    """Of several dates the one that is named so is the event's; the others are said."""
    frame = loans().assign(born="1970-01-01", decided="2023-01-01")
    frame["born"] = [f"19{50 + n % 40}-01-01" for n in range(len(frame))]
    found = keys_of(frame)
    assert found.timestamp == "issued_at"
    assert any("and not `born`" in line for line in found.unsure)


def test_a_date_with_gaps_is_no_timestamp() -> None:
    """A date that some rows lack dates nothing, and that is said."""
    frame = loans().drop(columns="issued_at")
    found = keys_of(frame)
    assert found.timestamp is None
    assert any("`written_off_at` has dates, but not in every row" in line for line in found.unsure)


def test_a_year_is_said_not_to_be_a_time() -> None:
    """A column of years, whole or with fractions, is not taken for a time by mistake."""
    found = keys_of(pd.DataFrame({"year": np.arange(1900, 2000) + 0.5, "y": range(100)}), "y")
    assert found.timestamp is None
    assert "`year` is no date" in found.unsure[0]


def test_row_numbers_name_nothing() -> None:
    """What only counts the rows of this file names no row of another."""
    assert (
        keys_of(pd.DataFrame({"Unnamed: 0": range(100), "x": [1.5, 2] * 50, "y": [0, 1] * 50}), "y").row
        is None
    )


def test_unique_text_is_a_key_only_without_blanks() -> None:
    """A tail number names a row; a person's name, which has blanks, does not."""
    frame = pd.DataFrame(
        {"tail": [f"N{n:05}X" for n in range(100)], "who": [f"Mr {n}" for n in range(100)], "y": 0}
    )
    assert keys_of(frame, "y").row == "tail"
    assert keys_of(frame.drop(columns="tail"), "y").row is None


@pytest.mark.parametrize(
    "name", ["CustomerID", "user_id", "patient", "individual", "machine no", "Account Number"]
)
def test_an_entity_is_known_by_its_name(name: str) -> None:
    """Whom a row is about is told by the name of a column whose values recur."""
    frame = pd.DataFrame({name: np.arange(200) % 40, "x": np.arange(200) / 7, "y": [0, 1] * 100})
    assert keys_of(frame, "y").entity == name
    assert keys_of(frame.rename(columns={name: "age"}), "y").entity is None
