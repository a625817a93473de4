"""MLflow's scoring protocol: every form of a body brings the same columns, and a broken body is an `InvalidRequest`."""

import csv
import io
import json
import math
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.base.errors import InvalidRequest
from regrow.models.contract import Contract
from regrow.models.decoding import Bounds, Columns, decode
from regrow.models.values import Column, Text

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


FEATURES = Contract([Column("size", "double", True), Column("word", "string", True)], "row", "at", "customer")
BOUNDS = FEATURES.bounds(10_000, 5_000_000)


def listed(value: bytes, size: int) -> bytes:
    """Repeat *value* between commas, *size* bytes of it."""
    return b",".join([value] * (size // (len(value) + 1)))


def numbered(form: str, size: int) -> bytes:
    """Write as many names, each another one, into *form* as fit into *size* bytes."""
    return b",".join(form.replace("N", f"{number:06}").encode() for number in range(size // (len(form) + 6)))


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "a column in each record": lambda size: b'{"dataframe_records":[' + numbered('{"N":1}', size) + b"]}",
    "a record of many columns": lambda size: b'{"dataframe_records":[{' + numbered('"N":1', size) + b"}]}",
    "many columns": lambda size: b'{"inputs":{' + numbered('"N":[]', size) + b"}}",
    "many names": lambda size: b'{"dataframe_split":{"columns":[' + numbered('"N"', size) + b'],"data":[]}}',
    "names that recur": lambda size: (
        b'{"dataframe_split":{"columns":['
        + numbered('"N"', size // 2)
        + b","
        + numbered('"N"', size // 2)
        + b'],"data":[]}}'
    ),
    "one name again and again": lambda size: (
        b'{"dataframe_split":{"columns":[' + listed(b'"size"', size) + b'],"data":[]}}'
    ),
    "one long name": lambda size: b'{"inputs":{"' + b"n" * size + b'":[1]}}',
    "another key": lambda size: b"{" + numbered('"N":1', size) + b"}",
    "empty records": lambda size: b'{"inputs":[' + listed(b"{}", size) + b"]}",
    "empty rows": lambda size: b'{"inputs":[' + listed(b"[]", size) + b"]}",
    "rows of no column": lambda size: (
        b'{"dataframe_split":{"columns":[],"data":[' + listed(b"[]", size) + b"]}}"
    ),
    "a long column": lambda size: b'{"inputs":{"size":[' + listed(b"1", size) + b"]}}",
    "a long column beside NaN": lambda size: b'{"inputs":{"size":[NaN,' + listed(b"-1", size) + b"]}}",
    "a number of many digits": lambda size: b'{"inputs":{"size":[NaN,' + b"7" * size + b"]}}",
    "a long entity": lambda size: b'{"inputs":{"size":[1],"word":[""],"customer":["' + b"c" * size + b'"]}}',
    "a list for an entity": lambda size: (
        b'{"inputs":{"size":[1],"word":[""],"customer":[[' + listed(b"1", size) + b"]]}}"
    ),
    "a list for a moment": lambda size: (
        b'{"inputs":{"size":[1],"word":[""],"at":[[' + listed(b"1", size) + b"]]}}"
    ),
    "a list for a number": lambda size: b'{"inputs":{"size":[[' + listed(b"1", size) + b"]]}}",
    "a list in lists": lambda size: b'{"inputs":{"size":' + b"[" * size + b"]" * size + b"}}",
    "lists in lists beside NaN": lambda size: b'{"inputs":{"size":[NaN,' + b"[" * size + b"]" * size + b"]}}",
    "good records": lambda size: b'{"inputs":[' + listed(b'{"size":1,"word":"a"}', size) + b"]}",
    "good rows": lambda size: b'{"inputs":[' + listed(b'[1,"a"]', size) + b"]}",
}
"""Bodies of about a size that cost more than their bytes to a reader who looks at each column or name by itself."""
HOSTILE_CSV: dict[str, Callable[[int], bytes]] = {
    "many names as CSV": lambda size: numbered("N", size) + b"\n1",
    "one name again and again as CSV": lambda size: listed(b"size", size) + b"\n1",
    "many lines": lambda size: b"size,word\n" + b"1,a\n" * (size // 4),
    "a long line": lambda size: b"size,word\n" + b"," * size,
    "empty lines": lambda size: b"size,word\n" + b"\n" * size,
}


def ask(body: bytes, kind: str) -> str:
    """Read *body* as the server does; return the code that it is refused with, or nothing."""
    try:
        FEATURES.check(decode(body, kind, FEATURES.features, BOUNDS), BOUNDS.max_rows)
    except InvalidRequest as error:
        assert len(str(error)) < 1500, "a message that grows with the body is sent back"
        return error.code
    return ""


def seconds(body: bytes, kind: str) -> float:
    """Return the least CPU time that reading *body* took in a few attempts."""

    def once() -> float:
        began = time.thread_time()
        ask(body, kind)
        return time.thread_time() - began

    return min(once() for _ in range(5))


@pytest.mark.parametrize("shape", [*HOSTILE, *HOSTILE_CSV])
def test_a_body_costs_what_its_bytes_cost(shape: str) -> None:
    """Ten times the bytes take about ten times as long, whatever stands in them; looking at each beside each: 100."""
    kind = "text/csv" if shape in HOSTILE_CSV else "application/json"
    make = (HOSTILE | HOSTILE_CSV)[shape]
    small, large = seconds(make(10_000), kind), seconds(make(100_000), kind)
    # Linear is 10, and up to 31 was seen where no cache holds the larger body; quadratic is 100.
    assert large < 50 * small + 0.002


@pytest.mark.parametrize("shape", [*HOSTILE, *HOSTILE_CSV])
def test_a_body_takes_memory_as_its_bytes_do(shape: str) -> None:
    """Nothing in a body of 100 kB makes more of it than 100 times its bytes."""
    body = (HOSTILE | HOSTILE_CSV)[shape](100_000)
    tracemalloc.start()
    try:
        ask(body, "text/csv" if shape in HOSTILE_CSV else "application/json")
        assert tracemalloc.get_traced_memory()[1] < 100 * len(body)
    finally:
        tracemalloc.stop()


NAME = st.sampled_from([*FEATURES.features, "row", "at", "customer", "other", "", "é"]) | st.text(max_size=3)
LEAF = VALUES | st.sampled_from(["x" * 2000, "2024-01-01", [], {}, [[1]], {"a": {}}])
RECORD = st.dictionaries(NAME, LEAF, max_size=4)
ANYTHING = st.one_of(
    st.builds(
        lambda names, data: {"dataframe_split": {"columns": names, "data": data}},
        st.lists(NAME, max_size=4),
        st.lists(st.lists(LEAF, max_size=4), max_size=3),
    ),
    *(
        st.builds(lambda content, form=form: {form: content}, content)
        for form in ("dataframe_records", "inputs", "instances")
        for content in (
            st.lists(RECORD, max_size=4),
            st.dictionaries(NAME, st.lists(LEAF, max_size=3), max_size=3),
            st.lists(st.lists(LEAF, max_size=3), max_size=3),
            LEAF,
        )
    ),
    st.dictionaries(NAME, LEAF, max_size=3),
)


@given(ANYTHING)
def test_any_document_is_read_or_refused(document: object) -> None:
    """Whatever a client sends in the forms of the protocol, it is rows that fit, or an `InvalidRequest`."""
    ask(as_bytes(document), "application/json")


@given(st.binary(max_size=40) | st.text('{}[]",:\\\n1eN', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Whatever the bytes of a body are, nothing but an `InvalidRequest` comes of them."""
    for kind in ("application/json", "text/csv"):
        ask(body, kind)


def test_rows_and_names_are_refused_before_they_are_laid_out() -> None:
    """The first unknown name and a row too many end the reading, in every form, and a wide model takes fewer rows."""
    bounds = Bounds(frozenset(NAMES), 2)
    rows = [[1, "a"]] * 3
    table = {"columns": NAMES, "data": rows}
    forms: list[dict[str, Any]] = [{"dataframe_split": table}, {"inputs": rows}, {"instances": [{}] * 3}]
    for form in (*forms, {"inputs": {"size": [1, 2, 3]}}):
        with pytest.raises(InvalidRequest, match="more than 2 rows in one request") as error:
            decode(as_bytes(form), "", NAMES, bounds)
        assert error.value.code == "too_many_rows"
    with pytest.raises(InvalidRequest, match="more than 2 rows"):
        decode(b"size,word\n1,a\n\n1,a\n1,a\n", "text/csv", [], bounds)
    assert decode(b"size,word\n1,a\n\n1,a\n", "text/csv", [], bounds).rows == 2
    other: list[dict[str, Any]] = [
        {"dataframe_records": [{"size": 1}, {"x" * 99: 1}]},
        {"inputs": {"x" * 99: []}},
    ]
    for form in (*other, {"dataframe_split": {"columns": ["x" * 99], "data": []}}):
        with pytest.raises(InvalidRequest, match=r"column 'x{80}' is not in the model's signature") as error:
            decode(as_bytes(form), "", NAMES, bounds)
        assert (error.value.code, error.value.column) == ("unknown_column", "x" * 80)
    wide = Contract([Column(f"c{number}", "double", False) for number in range(1500)])
    assert wide.bounds(10_000, 5_000_000).max_rows == 3333
    assert wide.bounds(10_000, 100).max_rows == 1
