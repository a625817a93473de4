"""A model's signature as the check that each request must pass."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from mlflow.types import DataType
from mlflow.types.schema import ColSpec
from pandas.api.extensions import ExtensionArray

from regrow.errors import InvalidRequest
from regrow.models.decoding import Columns, Text
from regrow.models.stored import LoadedModel

NUMBERS = {"double": np.float64, "float": np.float32, "long": np.int64, "integer": np.int32}
ACCEPTED: dict[str, set[type]] = {
    "double": {float, int},
    "float": {float, int},
    "long": {int},
    "integer": {int},
    "boolean": {bool},
    "string": {str, Text},
}
NULLABLE = {"double", "float", "string", "datetime"}
"""Types in which a null is the pipeline's business; in the others only where the signature says optional."""
MOMENT = "a date and time such as 2013-04-01T05:00:00Z"
WORDS = {
    "double": "a number",
    "float": "a number",
    "long": "a whole number",
    "integer": "a whole number of 32 bits",
    "boolean": "true or false",
    "string": "text",
    "datetime": MOMENT,
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Column:
    """One column of the signature."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True)
class Rows:
    """The checked rows of one request; moments are microseconds since 1970, UTC."""

    features: dict[str, list[Any]]
    count: int
    entities: list[str | None]
    events: list[int | None]

    def take(self, rows: Sequence[int]) -> "Rows":
        """Give the rows with the numbers *rows*."""
        features = {name: [values[row] for row in rows] for name, values in self.features.items()}
        entities, events = [self.entities[row] for row in rows], [self.events[row] for row in rows]
        return Rows(features, len(rows), entities, events)


class Contract:
    """What a model takes: its columns in order, and the two that are logged but not given to it."""

    def __init__(self, model: LoadedModel) -> None:
        specs = [spec for spec in model.signature.inputs.inputs if isinstance(spec, ColSpec)]
        self.columns = [Column(str(spec.name), _type_name(spec), bool(spec.required)) for spec in specs]
        self.features = [column.name for column in self.columns]
        self.types = {column.name: column.type for column in self.columns}
        self.id = model.facts.id
        self.timestamp = model.facts.timestamp
        self._known = {*self.features, self.id, self.timestamp}
        self._signature = tuple((column.name, column.type, column.required) for column in self.columns)

    def check(self, given: Columns, max_rows: int) -> Rows:
        """Check *given* against the signature; raises `InvalidRequest` naming the column, the row and the value."""
        if given.rows > max_rows:
            raise InvalidRequest(
                "too_many_rows", f"{given.rows} rows in one request; send at most {max_rows}"
            )
        for name in given.values:
            if name not in self._known:
                raise InvalidRequest(
                    "unknown_column", f"column {name!r} is not in the model's signature", name
                )
        features = {column.name: self._column(column, given) for column in self.columns}
        names = given.values.get(self.id or "", [None] * given.rows)
        moments = given.values.get(self.timestamp or "", [None] * given.rows)
        return Rows(features, given.rows, _entities(self.id, names), _moments(self.timestamp, moments))

    def refit(self, rows: Rows, source: "Contract") -> Rows:
        """Return *rows*, which *source* has checked, as this model takes them; raises `InvalidRequest`."""
        if self._signature == source._signature:
            return rows
        features = {column.name: self._refitted(column, rows, source) for column in self.columns}
        return Rows(features, rows.count, rows.entities, rows.events)

    def frame(self, requests: list[Rows]) -> pd.DataFrame:
        """Build one frame of the rows of *requests*, in the types of the signature."""
        return pd.DataFrame(
            {column.name: _array(column.type, requests, column.name) for column in self.columns}
        )

    def _refitted(self, column: Column, rows: Rows, source: "Contract") -> list[Any]:
        """Check one *column* of *rows* that *source* has read already."""
        name, kind = column.name, source.types.get(column.name)
        if kind is None or "datetime" not in {kind, column.type}:
            return self._column(column, Columns(rows.features, rows.count))
        if kind != column.type:
            raise InvalidRequest("wrong_type", f"column {name!r} is {kind} to the champion", name)
        return rows.features[name]

    def _column(self, column: Column, given: Columns) -> list[Any]:
        """Check one *column* of *given*."""
        name = column.name
        if name not in given.values or (name in given.gaps and column.required):
            if not column.required:
                return [None] * given.rows
            where = f" in row {given.gaps[name]}" if name in given.gaps else ""
            message = f"column {name!r} is missing{where}; the signature needs {WORDS.get(column.type, 'it')}"
            raise InvalidRequest("missing_column", message, name)
        return _checked(column, given.values[name])


def _type_name(spec: ColSpec) -> str:
    """Name the type of *spec*; `any` for nested types."""
    return spec.type.name if isinstance(spec.type, DataType) else "any"


def _checked(column: Column, values: list[Any]) -> list[Any]:
    """Check *values* against *column* and give them in its type."""
    kinds = set(map(type, values))
    if Text in kinds and column.type != "string":
        values = [_parse(column, value) for value in values]
        kinds = set(map(type, values))
    if type(None) in kinds:
        if column.type not in NULLABLE and column.required:
            _refuse(column, values, values.index(None), "null_value")
        kinds.discard(type(None))
    if column.type == "datetime":
        return _moments(column.name, values)
    accepted = ACCEPTED.get(column.type)
    if accepted is None:
        return values
    if column.type in {"long", "integer"}:
        return _whole(column, values, kinds)
    if not kinds <= accepted:
        _refuse(
            column, values, next(i for i, v in enumerate(values) if v is not None and type(v) not in accepted)
        )
    return values


def _whole(column: Column, values: list[Any], kinds: set[type]) -> list[Any]:
    """Check whole numbers and their range; 5.0 is taken for 5."""
    if kinds == {int} or not kinds:
        whole = values
    else:
        whole = [int(v) if type(v) is float and v.is_integer() else v for v in values]
    limit = 2**31 if column.type == "integer" else 2**63
    for row, value in enumerate(whole):
        if value is not None and (type(value) is not int or not -limit <= value < limit):
            _refuse(column, values, row)
    return whole


def _refuse(column: Column, values: list[Any], row: int, code: str = "wrong_type") -> None:
    """Refuse the value in *row* of *column*."""
    shown = repr(values[row])[:80] if values[row] is not None else "null"
    message = f"column {column.name!r}, row {row}: {shown} is not {WORDS.get(column.type, column.type)}"
    raise InvalidRequest(code, message, column.name)


def _parse(column: Column, value: Any) -> Any:
    """Read text of a CSV file in the type of *column*; what cannot be read stays text, to be refused."""
    if not isinstance(value, Text):
        return value
    if column.type == "boolean":
        return {"true": True, "false": False, "1": True, "0": False}.get(value.lower(), str(value))
    if column.type not in NUMBERS:
        return str(value)
    try:
        return float(value) if column.type in {"double", "float"} else int(value)
    except ValueError:
        return str(value)


def _entities(name: str | None, values: list[Any]) -> list[str | None]:
    """Give the rows' names as text."""
    for row, value in enumerate(values):
        if isinstance(value, list | dict | bool) or (isinstance(value, float) and not value.is_integer()):
            message = f"column {name!r}, row {row}: {value!r} is not text or a whole number"
            raise InvalidRequest("wrong_type", message, str(name))
    return [None if v is None else str(int(v)) if isinstance(v, float) else str(v) for v in values]


def _moments(name: str | None, values: list[Any]) -> list[int | None]:
    """Read moments as microseconds since 1970; a moment without a time zone is UTC."""
    return [None if value is None else _moment(str(name), row, value) for row, value in enumerate(values)]


def _moment(name: str, row: int, value: str | float) -> int | None:
    """Read one moment."""
    if isinstance(value, float) and math.isnan(value):
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        message = f"column {name!r}, row {row}: {str(value)[:80]!r} is not {MOMENT}"
        raise InvalidRequest("wrong_type", message, name) from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    past = moment - EPOCH
    return (past.days * 86400 + past.seconds) * 1_000_000 + past.microseconds


def _array(kind: str, requests: list[Rows], name: str) -> "np.ndarray[Any, Any] | ExtensionArray":
    """Join the values of column *name* over *requests* in the type of the signature."""
    values = (
        requests[0].features[name] if len(requests) == 1 else [v for r in requests for v in r.features[name]]
    )
    if kind in {"double", "float"}:
        return np.array(values, dtype=NUMBERS[kind])
    if kind in NUMBERS:
        return np.array(values, dtype=np.float64 if None in values else NUMBERS[kind])
    if kind == "boolean" and None not in values:
        return np.array(values, dtype=np.bool_)
    if kind == "datetime":
        return np.array(values, dtype="datetime64[us]")
    if kind == "string":
        # As in the snapshots: alone, a null would stay None, which an encoder does not take for the missing value.
        return pd.array(values, dtype="str")
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
