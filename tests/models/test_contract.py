"""One way from a raw row to a model's columns, whichever door the row comes by."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regrow.base.errors import DataError, InvalidRequest
from regrow.data.snapshots import write_snapshot
from regrow.models.contract import Contract
from regrow.models.decoding import Columns, decode
from regrow.models.frames import infer_columns
from regrow.models.values import Column

Dress = Callable[[list[Any]], pd.Series]
HUGE = st.sampled_from([2**53 + 1, 2**62 + 1, -(2**63), 2**63 - 1])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "double": st.floats() | st.integers(-(2**53), 2**53),
    "float": st.floats(width=32),
    "long": st.integers(-(2**63), 2**63 - 1) | HUGE,
    "integer": st.integers(-(2**31), 2**31 - 1),
    "boolean": st.booleans(),
    "string": st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(["007", "nan", "None", ""]),
    "datetime": st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)).map(lambda t: t.replace(tzinfo=UTC)),
}
ARROW = {
    "double": pa.float64(),
    "float": pa.float32(),
    "long": pa.int64(),
    "integer": pa.int32(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "datetime": pa.timestamp("us", "UTC"),
}
PLAIN = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32", "boolean": "bool"}
NULLABLE = {
    "double": "Float64",
    "float": "Float32",
    "long": "Int64",
    "integer": "Int32",
    "boolean": "boolean",
}


def _as_object(values: list[Any]) -> pd.Series:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return pd.Series(column, dtype=object)


def _as_category(values: list[Any]) -> pd.Series:
    """Make categories; put together from pieces, pandas makes floats of them, which lose digits of huge numbers."""
    return _as_object(values).astype("category")


def _in_pieces(dress: Dress) -> Dress:
    """Put a column together as the files of a folder are."""
    return lambda values: pd.concat([dress(values[:2]), dress(values[2:])], ignore_index=True)


def dresses(kind: str, values: list[Any]) -> list[Dress]:
    """List the types in which a frame may hold *values* of *kind*."""

    def as_arrow(some: list[Any]) -> pd.Series:
        return pd.Series(pd.array(pa.array(some, ARROW[kind]), dtype=pd.ArrowDtype(ARROW[kind])))

    found: list[Dress] = [_as_object, as_arrow]
    if kind not in {"double", "float"}:  # A category has one zero, a float has two.
        found.append(_as_category)
    whole = all(value is not None for value in values)
    if kind in NULLABLE:
        found.append(lambda some: pd.Series(some, dtype=NULLABLE[kind]))
    if kind in PLAIN and (whole or kind in {"double", "float"}):
        found.append(lambda some: pd.Series(some, dtype=PLAIN[kind]))
    if kind in {"long", "integer"} and all(abs(value or 0) <= 2**53 for value in values):
        found.append(lambda some: pd.Series(some, dtype="float64"))
    if kind == "string":
        found += [lambda some: pd.Series(some, dtype="str"), lambda some: pd.Series(some, dtype="string")]
    if kind == "datetime":
        found.append(lambda some: pd.Series(pd.to_datetime(some, utc=True)).dt.as_unit("us"))
        found.append(
            lambda some: pd.Series(pd.to_datetime(some, utc=True)).dt.as_unit("us").dt.tz_localize(None)
        )
    huge = kind == "long" and any(abs(value or 0) > 2**53 for value in values)
    return [*found, *(_in_pieces(dress) for dress in found if not (huge and dress is _as_category))]


@st.composite
def tables(draw: st.DrawFn) -> tuple[Contract, dict[str, list[Any]], pd.DataFrame]:
    """Draw the columns of a model, rows for it, and a frame that holds them in some type or other."""
    count = draw(st.integers(1, 6))
    columns, rows, frame = [], {}, {}
    for kind, found in VALUES.items():
        required = draw(st.booleans())
        missing = (
            st.none() if not required or kind in {"double", "float", "string", "datetime"} else st.nothing()
        )
        values = draw(st.lists(found | missing, min_size=count, max_size=count))
        columns.append(Column(kind, kind, required))
        rows[kind] = values
        frame[kind] = draw(st.sampled_from(dresses(kind, values)))(values)
    return Contract(columns), rows, pd.DataFrame(frame)


def as_json(rows: dict[str, list[Any]]) -> bytes:
    """Write *rows* as a client would."""
    plain = {
        name: [value.isoformat() if isinstance(value, datetime) else value for value in values]
        for name, values in rows.items()
    }
    data = [list(row) for row in zip(*plain.values(), strict=True)]
    return json.dumps({"dataframe_split": {"columns": list(plain), "data": data}}).encode()


def assert_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Compare names, types, missing values and bits."""
    assert one.dtypes.to_dict() == other.dtypes.to_dict()
    for name in one:
        left, right = one[name], other[name]
        assert left.isna().tolist() == right.isna().tolist()
        if left.dtype.kind == "f":
            bits = {4: np.uint32, 8: np.uint64}[left.dtype.itemsize]
            present = left.notna().to_numpy()
            assert (left.to_numpy().view(bits) == right.to_numpy().view(bits))[present].all()
        else:
            assert left.dropna().tolist() == right.dropna().tolist()
            assert [type(v) for v in left] == [type(v) for v in right]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=tables())
def test_every_door_leads_to_the_same_columns(
    drawn: tuple[Contract, dict[str, list[Any]], pd.DataFrame],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Request, source, snapshot and one row alone give the model the same bits in every type."""
    contract, rows, frame = drawn
    monkeypatch.setenv("REGROW_HOME", str(tmp_path_factory.getbasetemp()))
    requested = decode(as_json(rows), "application/json", contract.features)
    expected = contract.frame([contract.check(requested, len(frame))])
    assert_same(contract.read(frame), expected)
    assert_same(contract.read(write_snapshot(frame).read()), expected)
    singles = [
        contract.check(Columns({name: [values[row]] for name, values in requested.values.items()}, 1), 1)
        for row in range(len(frame))
    ]
    assert_same(contract.frame(singles), expected)
    plain = contract.plain(frame)
    assert_same(contract.frame([contract.check(plain, len(frame))]), expected)


@given(drawn=tables())
def test_a_model_takes_the_rows_that_it_was_trained_on(
    drawn: tuple[Contract, dict[str, list[Any]], pd.DataFrame],
) -> None:
    """The columns that training finds in a frame take that frame, each in the type that all of its rows have."""
    _, rows, frame = drawn
    empty = [name for name, values in rows.items() if all(value is None for value in values)]
    frame = frame.drop(columns=empty)
    found = Contract(infer_columns(frame))
    assert len(found.read(frame)) == len(frame)
    for column in found.columns:
        assert column.required == frame[column.name].notna().all()
        families = {
            column.name,
            *({"double", "long"} if column.name in {"double", "float", "long", "integer"} else ()),
        }
        assert column.type in families


CONTRACT = Contract(
    [
        Column("size", "double", True),
        Column("count", "long", True),
        Column("flag", "boolean", True),
        Column("word", "string", True),
    ],
    id="customer",
)
GOOD = pd.DataFrame({"size": [1.0, 2.0], "count": [1, 2], "flag": [True, False], "word": ["a", "b"]})


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("size", [1.0, "n/a"], "column 'size', row 1: 'n/a' is not a number"),
        ("count", [1.0, np.nan], "column 'count', row 1: null is not a whole number"),
        ("count", [1.0, 2.5], "column 'count', row 1: 2.5 is not a whole number"),
        ("flag", [True, None], "column 'flag', row 1: null is not true or false"),
        ("flag", [True, 1], "column 'flag', row 1: 1 is not true or false"),
        ("word", [7, 8], "column 'word', row 0: 7 is not text"),
        ("size", [10**400, 1], "column 'size', row 0: 1000"),
    ],
)
def test_a_value_that_does_not_fit_is_named(column: str, values: list[Any], said: str) -> None:
    """A batch that does not fit says column, row, value, the row's id and the remedy."""
    frame = GOOD.assign(**{column: _as_object(values)}, customer=["c7", "c8"])
    with pytest.raises(DataError) as error:
        CONTRACT.read(frame)
    assert said in str(error.value)
    assert f"(customer c{7 + ('row 1' in said)})" in str(error.value)
    assert "correct it in the source" in str(error.value)


def test_a_missing_and_a_doubled_column_are_named() -> None:
    """A column that is not there, or twice, is no KeyError; one that may be missing is read as such."""
    with pytest.raises(DataError, match="column 'word' is missing"):
        CONTRACT.read(GOOD.drop(columns="word"))
    with pytest.raises(DataError, match="column 'word' comes twice"):
        CONTRACT.read(pd.concat([GOOD, GOOD[["word"]]], axis=1))
    optional = Contract([*CONTRACT.columns, Column("late", "boolean", False), Column("old", "string", False)])
    read = optional.read(GOOD)
    assert read[["late", "old"]].isna().all(axis=None)


def test_text_without_a_type_is_parsed() -> None:
    """In rows of a CSV file a number or a boolean may come as text, as in a request of CSV."""
    text = "size,count,flag,word\n1.5,2,True,007\n0.1,3,false,a\n"
    requested = CONTRACT.check(decode(text.encode(), "text/csv", []), 9)
    frame = pd.read_csv(io.StringIO(text), dtype="str")
    assert_same(CONTRACT.read(frame, untyped=True), CONTRACT.frame([requested]))
    with pytest.raises(DataError, match=r"column 'size', row 0: '1\.5' is not a number"):
        CONTRACT.read(frame)


def test_a_request_error_says_where() -> None:
    """The error of a request carries a code, the column and the row, and no HTTP status."""
    with pytest.raises(InvalidRequest) as error:
        CONTRACT.check(
            Columns({"size": [1, "x"], "count": [1, 2], "flag": [True] * 2, "word": ["a", "b"]}, 2), 9
        )
    assert (error.value.code, error.value.column, error.value.row) == ("wrong_type", "size", 1)
    assert not hasattr(error.value, "status")


def test_a_folder_of_files_is_one_column(tmp_path: Path) -> None:
    """Text that comes in several pieces is read as one."""
    for number in range(3):
        GOOD.to_parquet(tmp_path / f"{number}.parquet")
    assert len(CONTRACT.read(pd.read_parquet(tmp_path))) == 6


def test_a_request_may_say_once_what_all_its_rows_are_about() -> None:
    """It counts for rows that say nothing themselves; one id for several rows, or what no column takes, is refused."""
    customers = Contract([Column("hour", "double", True)], timestamp="at", entity="customer")
    body = b'{"dataframe_records": [{"hour": 1, "customer": "own"}, {"hour": 2}]}'
    told = customers.about(decode(body, "", []), "17", "2024-06-01T00:00:00+00:00")
    rows = customers.check(told, 10)
    assert rows.entities == ["own", "17"]
    assert rows.events == [1717200000000000] * 2
    ids, bare = Contract(customers.columns, id="row"), Contract(customers.columns)
    one = decode(b'{"inputs": {"hour": [1]}}', "", [])
    assert ids.check(ids.about(one, "x", None), 10).entities == ["x"]
    with pytest.raises(
        InvalidRequest, match="one entity is named for 2 rows, and `row` has a value of its own"
    ):
        ids.about(decode(body, "", []), "x", None)
    with pytest.raises(InvalidRequest, match=r"the model has no column for it; .*`data\.timestamp`"):
        bare.about(one, None, "2024-06-01")
    seen = Contract([Column("customer", "long", True)], entity="customer")
    assert seen.check(seen.about(Columns({}, 1), "17", None), 10).features == {"customer": [17]}


def test_a_row_is_named_by_its_id_and_is_about_its_entity() -> None:
    """A request brings both beside the features, or neither; if there is no entity, the row is about itself."""
    columns = [Column("hour", "double", True)]
    both = Contract(columns, "n", "at", "customer")
    given = decode(
        b'{"dataframe_split": {"columns": ["hour", "n", "customer"], "data": [[1, 7, "c"]]}}', "", []
    )
    rows = both.check(given, 10)
    assert (rows.keys, rows.entities, rows.take([0]).keys) == (["7"], ["c"], ["7"])
    assert both.refit(rows, both).keys == ["7"]
    bare = decode(b'{"dataframe_split": {"columns": ["hour"], "data": [[1], [2]]}}', "", [])
    assert both.check(bare, 10).keys == [None, None]
    alone = Contract(columns, "n").check(decode(b'{"inputs": {"hour": [1], "n": ["x"]}}', "", []), 10)
    assert (alone.keys, alone.entities) == (None, ["x"])
