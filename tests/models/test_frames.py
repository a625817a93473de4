"""Columns of a frame: the types that training finds, and the values that a model gets."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.base.errors import DataError, InvalidRequest
from regrow.models.frames import infer_columns, plain_values, read_column, widen_whole_numbers
from regrow.models.values import Column, Text, check_values, to_array


def _as_object(values: list[Any]) -> pd.Series:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return pd.Series(column, dtype=object)


def test_a_type_is_found_in_all_rows() -> None:
    """A column that has no value for its first hundred rows is known by the later ones."""
    late = [None] * 100
    frame = pd.DataFrame(
        {"word": [*late, "x"], "flag": [*late, True], "number": [*late, 1.5], "count": range(101)}
    )
    columns = {column.name: (column.type, column.required) for column in infer_columns(frame, gaps={"count"})}
    assert columns == {
        "word": ("string", False),
        "flag": ("boolean", False),
        "number": ("double", False),
        "count": ("long", False),
    }


@pytest.mark.parametrize("untyped", [False, True])
def test_a_column_without_a_value_is_numbers_that_may_be_missing(untyped: bool) -> None:
    """A column that is missing in every row has no type of its own; rows may go on lacking it."""
    frame = pd.DataFrame(
        {"word": [np.nan, np.nan] if untyped else [None, None]}, dtype=None if untyped else object
    )
    (column,) = infer_columns(frame, untyped=untyped)
    assert (column.type, column.required) == ("double", False)


def test_numbers_that_are_missing_keep_their_type() -> None:
    """A typed column of numbers may be missing throughout: a sensor that was off is no error."""
    (column,) = infer_columns(pd.DataFrame({"sensor": [np.nan, np.nan]}))
    assert (column.type, column.required) == ("double", False)


@pytest.mark.parametrize("values", [[1, "a"], [True, "a"], [[1], [2]], [1 + 2j, 2j], [b"x", b"y"], [True, 2]])
def test_mixed_and_unknown_types_are_named(values: list[Any]) -> None:
    """A column that is neither numbers, nor text, nor true and false says what it holds and in which row."""
    with pytest.raises(DataError, match=r"column `odd`: .* in row 0.*data\.features"):
        infer_columns(pd.DataFrame({"odd": _as_object(values)}))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([1], "int8"), "integer"),
        (np.array([1], "int32"), "integer"),
        (np.array([1], "uint32"), "long"),
        (np.array([1], "int64"), "long"),
        (np.array([1], "float16"), "float"),
        (np.array([1], "float32"), "float"),
        (np.array([1], "float64"), "double"),
        (np.array([True]), "boolean"),
        (["a"], "string"),
        (pd.array([1], dtype="Int16"), "integer"),
        (pd.array([1.5], dtype="Float64"), "double"),
        (pd.array([True, None], dtype="boolean"), "boolean"),
        (pd.Categorical(["a"]), "string"),
        (pd.Categorical([1]), "long"),
        (pd.to_datetime(["2020-01-01"]), "datetime"),
        (pd.to_datetime(["2020-01-01"]).tz_localize("Europe/Berlin"), "datetime"),
        (_as_object([date(2020, 1, 1)]), "datetime"),
        (_as_object([np.datetime64("2020-01-01")]), "datetime"),
        (_as_object([Decimal("1.5"), 2]), "double"),
        (_as_object([1, 2]), "long"),
        (_as_object([True, None]), "boolean"),
        (pd.arrays.SparseArray([1.0, np.nan]), "double"),
        (pd.arrays.SparseArray([0, 1], dtype="int32"), "integer"),
        (pd.array(["a"], dtype=pd.ArrowDtype(pa.large_string())), "string"),
        (pd.array([Decimal("1.5")], dtype=pd.ArrowDtype(pa.decimal128(5, 2))), "double"),
        (pd.array([1], dtype=pd.ArrowDtype(pa.int16())), "integer"),
    ],
)
def test_each_type_of_a_frame_is_one_of_the_models(values: Any, kind: str) -> None:
    """The type that training finds takes the column, and its array holds the same values."""
    frame = pd.DataFrame({"c": values})
    (column,) = infer_columns(frame)
    assert (column.type, column.required) == (kind, bool(frame["c"].notna().all()))
    array = read_column(column, frame["c"])
    assert pd.isna(array).tolist() == frame["c"].isna().tolist()
    if kind not in {"datetime", "boolean"}:
        assert pd.Series(array).dropna().tolist() == frame["c"].dropna().tolist()


NUMPY = ["bool", "int8", "uint8", "int32", "uint32", "int64", "uint64", "float32", "float64", "str"]


@given(
    st.sampled_from(NUMPY),
    st.sampled_from(["double", "float", "long", "integer", "boolean", "string"]),
    st.booleans(),
    st.lists(st.integers(0, 100), max_size=3),
)
def test_a_type_that_proves_its_values_changes_none(
    dtype: str, kind: str, required: bool, numbers: list[int]
) -> None:
    """A column whose type alone proves that it fits is the same array as if each value had been looked at."""
    column, given = Column("c", kind, required), pd.Series(numbers).astype(dtype)
    try:
        expected = to_array(column, check_values(column, plain_values(given)))
    except InvalidRequest:
        with pytest.raises(InvalidRequest):
            read_column(column, given)
        return
    found = read_column(column, given)
    assert found.dtype == expected.dtype
    assert list(found) == list(expected)


def test_values_are_plain() -> None:
    """A value comes as JSON would bring it: a missing one as None, a number of NumPy as one of Python."""
    given = _as_object(
        [np.int64(1), np.float32(0.5), np.bool_(True), Decimal("1.5"), "a", np.nan, pd.NaT, None]
    )
    found = plain_values(given)
    assert found == [1, 0.5, True, 1.5, "a", None, None, None]
    assert [type(value) for value in found[:5]] == [int, float, bool, float, str]
    assert plain_values(pd.Series([1.5, np.nan])) == [1.5, None]


def test_text_of_an_untyped_source_is_marked() -> None:
    """Only text is marked as written without a type, and only if its source has none."""
    given = _as_object(["1", 2])
    assert [type(value) for value in plain_values(given, untyped=True)] == [Text, int]
    assert [type(value) for value in plain_values(given)] == [str, int]
    assert list(read_column(Column("c", "long", True), given, untyped=True)) == [1, 2]
    with pytest.raises(InvalidRequest, match="'1' is not a whole number"):
        read_column(Column("c", "long", True), given)


def test_a_moment_is_read_in_utc() -> None:
    """A moment in another time zone is the same moment in UTC."""
    there = pd.Series(pd.to_datetime(["2020-07-01 02:00"])).dt.tz_localize("Europe/Berlin")
    (found,) = read_column(Column("c", "datetime", True), there)
    assert pd.Timestamp(found, tz="UTC") == datetime(2020, 7, 1, tzinfo=UTC)


def test_whole_numbers_are_widened_unless_no_double_holds_them() -> None:
    """A whole number becomes a double, so that it may be missing or 8.5 later; one beyond 2^53 stays whole."""
    frame = pd.DataFrame({"small": [1, 2], "id": [1, 2**53 + 1], "word": ["a", "b"]})
    columns = widen_whole_numbers(infer_columns(frame), frame)
    assert {column.name: column.type for column in columns} == {
        "small": "double",
        "id": "long",
        "word": "string",
    }
    read = read_column(columns[0], pd.Series([8.5, None], dtype=object))
    assert read[0] == 8.5
    assert np.isnan(read[1])
