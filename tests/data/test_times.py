"""Moments are plain, and in UTC."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.base.errors import DataError
from regrow.data.times import EPOCH, as_utc, parse_times, read_moment, to_microseconds


@pytest.mark.parametrize(
    "moment",
    [
        pendulum.datetime(2024, 3, 1, 9, 30, tz="Asia/Tokyo"),
        datetime(2024, 3, 1, 0, 30, tzinfo=UTC),
        datetime(2024, 3, 1, 0, 30),
    ],
)
def test_every_moment_becomes_a_plain_datetime(moment: datetime) -> None:
    """Whatever kind of moment comes in, `datetime` itself goes on, in UTC."""
    plain = as_utc(moment)
    assert type(plain) is datetime
    assert (plain, plain.tzinfo) == (datetime(2024, 3, 1, 0, 30, tzinfo=UTC), UTC)


@pytest.mark.parametrize("text", ["2024-03-01T09:30:00+09:00", "2024-03-01T00:30:00Z", "2024-03-01T00:30"])
def test_text_becomes_a_moment_in_utc(text: str) -> None:
    """An offset is applied; without one the text is UTC."""
    assert read_moment(text) == datetime(2024, 3, 1, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["soon", "", "0001-01-01T00:00:00+09:00"])
def test_text_that_is_no_moment_is_a_value_error(text: str) -> None:
    """Whatever is wrong with the text, there is one kind of error."""
    with pytest.raises(ValueError, match=r"."):
        read_moment(text)


@given(st.datetimes(timezones=st.none() | st.timezones(), allow_imaginary=False))
def test_microseconds_are_exact(moment: datetime) -> None:
    """No moment loses a microsecond on the way to 1970 and back."""
    there = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    assert EPOCH + timedelta(microseconds=to_microseconds(moment)) == there


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["2024-01-01", "soon"], "row 1: 'soon' is not a date"),
        (["2024-01-01", None], "row 1: a missing value is not a date"),
        ([1704412800, 1704412801], r"row 0: 1704412800 is not a date \(2 such rows\)"),
    ],
)
def test_a_value_that_is_no_date_is_shown(values: list[object], said: str) -> None:
    """The error names place, column, row and value, in plain numbers."""
    with pytest.raises(DataError, match=rf"a\.yaml: data\.labels: column `at`, {said}"):
        parse_times(pd.Series(values, name="at"), "a.yaml: data.labels")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_column_of_times_is_in_microseconds(unit: str) -> None:
    """Dates of any resolution, with an offset or without, become moments in UTC."""
    local = pd.Series(pd.to_datetime(["2024-01-01T09:00"]).as_unit(unit), name="at")
    assert str(parse_times(local.dt.tz_localize("Asia/Tokyo"), "a.yaml").dtype) == "datetime64[us, UTC]"
    assert parse_times(local, "a.yaml")[0] == pd.Timestamp("2024-01-01T09:00Z")
