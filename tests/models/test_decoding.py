"""MLflow's scoring protocol: every form of a body brings the same columns, and a broken body is an `InvalidRequest`."""

import csv
import io
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.errors import InvalidRequest
from regrow.models.decoding import Columns, decode
from regrow.models.values import Text

NAMES = ["size", "word"]
VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=4)


def as_bytes(document: object) -> bytes:
    """Write *document* as JSON, NaN and Infinity as MLflow's clients do."""
    return json.dumps(document).encode()


def refused(body: bytes, content_type: str = "application/json") -> InvalidRequest:
    """Return the error that *body* is refused with."""
    with pytest.raises(InvalidRequest) as raised:
        decode(body, content_type, NAMES)
    return raised.value


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=4))
def test_every_form_brings_the_same_columns(rows: list[tuple[Any, Any]]) -> None:
    """Rows of bare values, objects and columns are one table, whatever its values."""
    table = {name: [row[place] for row in rows] for place, name in enumerate(NAMES)}
    records = [dict(zip(NAMES, row, strict=True)) for row in rows]
    forms = [
        {"dataframe_split": {"columns": NAMES, "data": rows}},
        {"dataframe_split": {"index": [0], "columns": NAMES, "data": rows}},
        {"dataframe_records": records},
        *({form: content} for form in ("inputs", "instances") for content in (table, records, rows)),
    ]
    for form in forms:
        assert repr(decode(as_bytes(form), "application/json; charset=utf-8", NAMES)) == repr(
            Columns(table, len(rows))
        )


@given(st.lists(st.tuples(*[st.text(st.characters(codec="utf-8"), max_size=4)] * 2), max_size=4))
def test_a_csv_field_is_text_without_a_type(rows: list[tuple[str, str]]) -> None:
    """What a CSV writer writes is read back, each field as `Text`, an empty one as a null, a BOM as nothing."""
    written = io.StringIO()
    csv.writer(written).writerows([NAMES, *rows])
    found = decode(written.getvalue().encode("utf-8-sig"), "Text/CSV; charset=utf-8", [])
    assert found.rows == len(rows)
    assert found.values == {name: [row[place] or None for row in rows] for place, name in enumerate(NAMES)}
    assert {type(value) for column in found.values.values() for value in column} <= {Text, type(None)}


def test_a_huge_number_beside_nan_keeps_its_digits() -> None:
    """NaN, which is no JSON, makes no whole number of the same body inexact."""
    found = decode(b'{"inputs": {"size": [NaN], "count": [4611686018427387905]}}', "application/json", [])
    assert math.isnan(found.values["size"][0])
    assert found.values["count"] == [4611686018427387905]


@given(st.integers(-(10**30), 10**30) | st.sampled_from([2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1]))
def test_nan_elsewhere_changes_no_number(number: int) -> None:
    """A whole number is the same value of the same type whether or not its body holds a NaN."""
    (alone,) = decode(b'{"inputs": {"size": [%d]}}' % number, "", []).values["size"]
    (beside,) = decode(b'{"inputs": {"size": [%d], "word": [NaN]}}' % number, "", []).values["size"]
    assert (type(beside), beside) == (type(alone), alone)


def test_a_column_that_some_rows_lack_is_a_gap() -> None:
    """Objects with different keys make null values, and each gap names its first row."""
    found = decode(as_bytes({"dataframe_records": [{"a": 1}, {"b": 2}, {"b": 3}]}), "", [])
    assert found == Columns({"a": [1, None, None], "b": [None, 2, 3]}, 3, {"b": 0, "a": 1})


@pytest.mark.parametrize(
    ("document", "columns"),
    [
        ({"instances": []}, {}),
        ({"dataframe_split": {"columns": ["a"], "data": []}}, {"a": []}),
        ({"inputs": {"a": []}, "params": {"x": 1}}, {"a": []}),
    ],
)
def test_no_row_is_no_error(document: object, columns: dict[str, list[Any]]) -> None:
    """A body without rows is a table without rows."""
    assert decode(as_bytes(document), "", NAMES) == Columns(columns, 0)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([1], "the body must be an object with one of dataframe_split"),
        ({}, r"exactly one of .*; it holds \[\]"),
        ({"inputs": [], "instances": []}, "exactly one of"),
        ({"inputs": [], "extra": 1}, "exactly one of .*'extra'"),
        ({"dataframe_split": [[1]]}, "must be an object with columns and data"),
        ({"dataframe_split": {"columns": ["a"]}}, "must be an object with columns and data"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1]], "name": 1}}, "index is optional"),
        ({"dataframe_split": {"columns": "a", "data": [[1]]}}, "columns must be a list of names"),
        ({"dataframe_split": {"columns": [1], "data": [[1]]}}, "columns must be a list of names"),
        ({"dataframe_split": {"columns": ["a"], "data": [1]}}, "data must be a list of rows"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1], []]}}, "row 1 has 0 values for 1 columns"),
        ({"inputs": [[1]]}, "inputs: row 0 has 1 values for 2 columns"),
        ({"inputs": [[1, 2], {"size": 1}]}, "inputs must be a list of objects"),
        ({"instances": 7}, "instances must be a list of rows"),
        ({"inputs": {}}, "inputs must hold a list of values per column"),
        ({"inputs": {"a": 1}}, "inputs must hold a list of values per column"),
        ({"dataframe_records": [[1, 2]]}, "dataframe_records must be a list of objects"),
        ({"dataframe_records": {"a": [1]}}, "dataframe_records must be a list of rows"),
    ],
)
def test_a_body_that_is_not_of_the_protocol_says_what_it_must_be(document: object, said: str) -> None:
    """A body of another shape is refused with the form that it has and the one that it needs."""
    error = refused(as_bytes(document))
    assert error.code == "malformed_request"
    with pytest.raises(InvalidRequest, match=said):
        raise error


@pytest.mark.parametrize(
    ("body", "content_type", "code", "column"),
    [
        (b"", "", "invalid_json", None),
        (b'{"inputs": [', "application/json", "invalid_json", None),
        (b'{"inputs": [NaN}', "application/json", "invalid_json", None),
        (b'{"inputs": [{"a": "\\ud800", "b": NaN}]}', "application/json", "invalid_json", None),
        (b'{"inputs": ' + b"[" * 100_000 + b"NaN", "application/json", "invalid_json", None),
        (b"", "text/csv", "invalid_csv", None),
        (b"a,b\n\xff,1\n", "text/csv", "invalid_csv", None),
        (b'a,b\n"x,1\n', "text/csv", "invalid_csv", None),
        (b"a,b\n1\n", "text/csv", "malformed_request", None),
        (b"a,a\n1,2\n", "text/csv", "duplicate_column", "a"),
        (b'{"dataframe_split": {"columns": ["a", "b", "b"], "data": []}}', "", "duplicate_column", "b"),
        (b'{"inputs": {"a": [1, 2], "b": [1]}}', "", "ragged_columns", "b"),
        (b"<rows/>", "application/xml", "unsupported_media_type", None),
    ],
)
def test_a_broken_body_has_a_code(body: bytes, content_type: str, code: str, column: str | None) -> None:
    """Whatever is wrong with a body, a program finds its code, and the column if one is at fault."""
    error = refused(body, content_type)
    assert (error.code, error.column) == (code, column)
