"""The types of a model's columns: which values each takes, and the array that holds them."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.base.errors import InvalidRequest
from regrow.models.values import (
    NULLABLE,
    WORDS,
    Column,
    Text,
    check_values,
    read_moments,
    read_names,
    shown,
    to_array,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXAMPLE: dict[str, Any] = {
    "double": 1.5,
    "float": 0.5,
    "long": 2**53 + 1,
    "integer": -7,
    "boolean": True,
    "string": "a",
    "datetime": "2013-04-01",
}


def check(kind: str, *values: Any, required: bool = True) -> list[Any]:
    """Check *values* of a column of *kind*."""
    return check_values(Column("c", kind, required), list(values))


def refused(kind: str, *values: Any) -> InvalidRequest:
    """Return the error that *values* of a column of *kind* are refused with."""
    with pytest.raises(InvalidRequest) as raised:
        check(kind, *values)
    return raised.value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("double", "x"),
        ("double", True),
        ("double", 10**400),
        ("float", [1.0]),
        ("long", 2.5),
        ("long", True),
        ("long", 2**63),
        ("long", float("nan")),
        ("long", float("inf")),
        ("integer", 2**31),
        ("integer", -(2**31) - 1),
        ("boolean", 1),
        ("boolean", "true"),
        ("string", 7),
        ("datetime", "yesterday"),
        ("datetime", ""),
    ],
)
def test_a_value_of_another_type_is_named(kind: str, value: Any) -> None:
    """What does not fit is refused with its column, its row, itself and what the column needs."""
    error = refused(kind, EXAMPLE[kind], value)
    assert (error.code, error.column, error.row) == ("wrong_type", "c", 1)
    assert str(error).startswith("column 'c', row 1: ")
    assert str(error).endswith(f"is not {WORDS[kind]}")
    assert len(str(error)) < 200


@pytest.mark.parametrize("kind", EXAMPLE)
def test_a_null_is_refused_if_the_pipeline_cannot_tell_it(kind: str) -> None:
    """A required whole number or boolean takes no null; in any other column the pipeline decides what it means."""
    assert check(kind, EXAMPLE[kind], None, required=False)[1] is None
    if kind in NULLABLE:
        assert check(kind, EXAMPLE[kind], None)[1] is None
    else:
        error = refused(kind, EXAMPLE[kind], None)
        assert (error.code, error.row) == ("null_value", 1)
        assert "null is not" in str(error)


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_may_be_written_as_a_fraction(number: int) -> None:
    """5.0 is taken for 5 in JSON and in CSV, where pandas writes so every column that lacks a value."""
    found = check("long", number, float(number), Text(number), Text(float(number)), None, required=False)
    assert found == [number] * 4 + [None]
    assert {type(value) for value in found[:4]} == {int}


@given(st.sampled_from(sorted(EXAMPLE)), st.text(max_size=6))
def test_text_without_a_type_is_read_or_refused(kind: str, text: str) -> None:
    """Whatever a CSV field holds, it is a value of its column or an `InvalidRequest`, never another error."""
    try:
        (found,) = check(kind, Text(text))
    except InvalidRequest as error:
        assert kind != "string"
        assert error.code == "wrong_type"
    else:
        assert len(to_array(Column("c", kind, True), [found])) == 1


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("double", "1.5", 1.5),
        ("long", "007", 7),
        ("boolean", "TRUE", True),
        ("boolean", "0", False),
        ("string", "007", "007"),
        ("datetime", "1970-01-01T00:00:01Z", 1_000_000),
    ],
)
def test_the_column_decides_what_text_is(kind: str, text: str, value: Any) -> None:
    """The same field of a CSV file is a number, true, a moment or text by its column."""
    assert check(kind, Text(text)) == [value]


@pytest.mark.parametrize(
    ("kind", "dtype", "optional"),
    [
        ("double", np.float64, np.float64),
        ("float", np.float32, np.float32),
        ("long", np.int64, np.float64),
        ("integer", np.int32, np.float64),
        ("boolean", np.bool_, np.object_),
        ("datetime", "datetime64[us]", "datetime64[us]"),
        ("string", "str", "str"),
    ],
)
def test_the_type_of_an_array_follows_from_the_column_alone(kind: str, dtype: Any, optional: Any) -> None:
    """A column has one type, whether a row lacks a value or none does, and with no row at all."""
    for required, expected in ((True, dtype), (False, optional)):
        column = Column("c", kind, required)
        nulls = [] if required and kind not in NULLABLE else [None]
        for values in ([], [EXAMPLE[kind]], [EXAMPLE[kind], *nulls]):
            array = to_array(column, check_values(column, values))
            assert array.dtype == pd.api.types.pandas_dtype(expected)
            assert pd.isna(array).tolist() == [value is None for value in values]


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
    st.none() | st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_a_moment_is_microseconds_in_utc(moment: datetime, zone: timezone | None) -> None:
    """A moment is exact to the microsecond in every time zone; without one it is UTC."""
    written = moment.replace(tzinfo=zone)
    expected = (moment.replace(tzinfo=zone or UTC) - EPOCH) // timedelta(microseconds=1)
    assert read_moments("at", [written.isoformat(), None, float("nan")]) == [expected, None, None]


def test_a_moment_that_is_none_names_its_column() -> None:
    """What is no moment is refused with its column and row, and with an example of one."""
    with pytest.raises(InvalidRequest, match=r"column 'at', row 1: 'x+' is not a date and time such as 2013"):
        read_moments("at", [None, "x" * 1000])


def test_an_id_is_text() -> None:
    """A whole number is an id whichever way it is written, and a missing one stays missing."""
    assert read_names("id", [7, 7.0, "7", None]) == ["7", "7", "7", None]


def test_a_long_name_is_refused() -> None:
    """A name of a thousand characters is taken, a longer one is refused by column, row and length, and not shown."""
    assert read_names("id", ["x" * 1000]) == ["x" * 1000]
    with pytest.raises(
        InvalidRequest, match="column 'id', row 1: a name has at most 1000 characters"
    ) as raised:
        read_names("id", ["a", "x" * 5000])
    assert (raised.value.code, raised.value.column, raised.value.row) == ("too_long", "id", 1)
    assert len(str(raised.value)) < 100


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "null"), ([[1]], "a list"), ({"a": 1}, "an object"), (1.5, "1.5"), ("x" * 99, repr("x" * 80))],
)
def test_a_message_shows_little_of_a_value(value: Any, said: str) -> None:
    """What a client sent comes back in a message in part, and never what is nested."""
    assert shown(value) == said
    assert shown(Text("a")) == "'a'"


@pytest.mark.parametrize("value", [True, 1.5, float("nan"), float("inf"), [1], {"a": 1}])
def test_what_identifies_nothing_is_refused(value: Any) -> None:
    """A fraction, a boolean, NaN and a nested value are no ids."""
    with pytest.raises(
        InvalidRequest, match=r"column 'id', row 1: .* is not text or a whole number"
    ) as raised:
        read_names("id", ["a", value])
    assert (raised.value.code, raised.value.column, raised.value.row) == ("wrong_type", "id", 1)
