"""What a model takes: its raw columns and their types, and the one way from a row to them.

Rows come by two doors, as lists of JSON values (a request) or as a frame (a snapshot, a source); behind both stand
the same columns to the last bit, so that a row has one answer wherever it is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import DataType
from mlflow.types.schema import ColSpec, Schema

from regrow.base.errors import DataError, InvalidRequest
from regrow.models.decoding import Bounds, Columns, fill
from regrow.models.frames import plain_values, read_column
from regrow.models.values import WORDS, Array, Column, check_values, read_moments, read_names, to_array

REMEDY = "correct it in the source, or set such rows aside by an expectation with `on_failure: quarantine`"


@dataclass(frozen=True)
class Rows:
    """The checked rows of one request; moments are microseconds since 1970, UTC."""

    features: dict[str, list[Any]]
    count: int
    entities: list[str | None]
    events: list[int | None]
    keys: list[str | None] | None = None
    """What names each row, if that is something else than its entity."""

    def take(self, rows: Sequence[int]) -> "Rows":
        """Return the rows with the numbers *rows*."""
        features = {name: [values[row] for row in rows] for name, values in self.features.items()}
        entities, events = [self.entities[row] for row in rows], [self.events[row] for row in rows]
        keys = None if self.keys is None else [self.keys[row] for row in rows]
        return Rows(features, len(rows), entities, events, keys)


class Contract:
    """The columns that a model takes, in order, and those that are logged but not given to it."""

    def __init__(
        self,
        columns: Sequence[Column],
        id: str | None = None,
        timestamp: str | None = None,
        entity: str | None = None,
    ) -> None:
        self.columns = tuple(columns)
        self.features = [column.name for column in self.columns]
        self.types = {column.name: column.type for column in self.columns}
        self.text = [name for name, kind in self.types.items() if kind in {"string", "boolean"}]
        """The columns that an untyped source, as a CSV file, must read as text: their digits are no numbers."""
        self.id = id
        self.timestamp = timestamp
        self.entity = entity or id
        named = (self.id, self.timestamp, self.entity)
        self._known = frozenset([*self.features, *(name for name in named if name is not None)])
        self._signature = tuple((column.name, column.type, column.required) for column in self.columns)

    def bounds(self, max_rows: int, max_values: int) -> Bounds:
        """Return what a body for this model may hold: its columns, *max_rows* rows, and *max_values* values in them."""
        return Bounds(self._known, min(max_rows, max(1, max_values // max(1, len(self.columns)))))

    def check(self, given: Columns, max_rows: int) -> Rows:
        """Check the rows of a request; raises `InvalidRequest` naming the column, the row and the value."""
        bounds = Bounds(self._known, max_rows)
        bounds.check_rows(given.rows)
        bounds.check_names(given.values)
        features = {column.name: _check(column, given) for column in self.columns}
        entities = read_names(self.entity, self._column(self.entity, given))
        keys = None if self.id == self.entity else read_names(self.id, self._column(self.id, given))
        moments = read_moments(self.timestamp, self._column(self.timestamp, given))
        return Rows(features, given.rows, entities, moments, keys)

    def about(self, given: Columns, entity: str | None, event: str | None) -> Columns:
        """Return *given* with *entity* and *event* time in each row that names none itself.

        Raises `InvalidRequest` if the model has no column for them, or if the entity names a row and there are several.
        """
        columns = {
            "an entity": (entity, self.entity, "data.entity"),
            "an event time": (event, self.timestamp, "data.timestamp"),
        }
        for what, (value, column, key) in columns.items():
            if value is None:
                continue
            if column is None:
                message = (
                    f"the request names {what}, and the model has no column for it; leave it out, or name "
                )
                raise InvalidRequest(
                    "unknown_column", f"{message}`{key}` in the project file and train again"
                )
            given = fill(given, column, value)
        if entity is not None and self.entity == self.id and given.rows > 1:
            message = (
                f"one entity is named for {given.rows} rows, and `{self.id}` has a value of its own in each; "
                "send it as a column"
            )
            raise InvalidRequest("wrong_type", message, self.id)
        return given

    @staticmethod
    def _column(name: str | None, given: Columns) -> list[Any]:
        """Return the values of the column *name*, which may be left out."""
        return given.values.get(name or "", [None] * given.rows)

    def refit(self, rows: Rows, source: "Contract") -> Rows:
        """Return *rows*, which *source* has checked, as this model takes them; raises `InvalidRequest`."""
        if self._signature == source._signature:
            return rows
        features = {column.name: _refit(column, rows, source) for column in self.columns}
        return Rows(features, rows.count, rows.entities, rows.events, rows.keys)

    def frame(self, requests: list[Rows]) -> pd.DataFrame:
        """Build the one frame that the model gets of the rows of *requests*."""
        return pd.DataFrame(
            {column.name: to_array(column, _join(column.name, requests)) for column in self.columns}
        )

    def read(self, frame: pd.DataFrame, *, untyped: bool = False) -> pd.DataFrame:
        """Build the one frame that the model gets of the rows of *frame*; text of an *untyped* source is parsed.

        Raises `DataError` naming the column, the row and the value that does not fit.
        """
        try:
            given = self._find(frame)
            arrays = {column.name: _read(column, given, len(frame), untyped) for column in self.columns}
        except InvalidRequest as error:
            raise DataError(f"{error}{self._named(frame, error.row)}; {REMEDY}") from error
        return pd.DataFrame(arrays, index=range(len(frame)))

    def plain(self, frame: pd.DataFrame) -> Columns:
        """Return the columns of *frame* that the model takes as a request would bring them."""
        return Columns({name: plain_values(given) for name, given in self._find(frame).items()}, len(frame))

    def _find(self, frame: pd.DataFrame) -> dict[str, pd.Series]:
        """Find the columns of *frame* that the model takes; raises `InvalidRequest` if there are two of one name."""
        found: dict[str, pd.Series] = {}
        for place, label in enumerate(frame.columns):
            name = str(label)
            if name in found:
                raise InvalidRequest("duplicate_column", f"column {name!r} comes twice", name)
            if name in self.types:
                found[name] = frame.iloc[:, place]
        return found

    def _named(self, frame: pd.DataFrame, row: int | None) -> str:
        """Name *row* of *frame* by its id or its entity, if it has one."""
        name = self.id or self.entity
        if row is None or name is None or name not in frame:
            return ""
        return f" ({name} {frame[name].iloc[row]})"


def read_signature(signature: ModelSignature) -> tuple[Column, ...]:
    """Return the columns of *signature*; a column of a nested type is of type `any`."""
    specs = [spec for spec in signature.inputs.inputs if isinstance(spec, ColSpec)]
    return tuple(Column(str(spec.name), _type_name(spec), bool(spec.required)) for spec in specs)


def write_signature(columns: Sequence[Column], outputs: Schema) -> ModelSignature:
    """Write *columns* as MLflow's signature of a model with *outputs*."""
    inputs = Schema([ColSpec(DataType[one.type], one.name, required=one.required) for one in columns])
    return ModelSignature(inputs=inputs, outputs=outputs)


def _type_name(spec: ColSpec) -> str:
    """Name the type of *spec*."""
    return spec.type.name if isinstance(spec.type, DataType) else "any"


def _check(column: Column, given: Columns) -> list[Any]:
    """Check one *column* of *given*."""
    name = column.name
    if name not in given.values or (name in given.gaps and column.required):
        if not column.required:
            return [None] * given.rows
        where = f" in row {given.gaps[name]}" if name in given.gaps else ""
        message = f"column {name!r} is missing{where}; the signature needs {WORDS.get(column.type, 'it')}"
        raise InvalidRequest("missing_column", message, name)
    return check_values(column, given.values[name])


def _read(column: Column, given: dict[str, pd.Series], rows: int, untyped: bool) -> Array:
    """Read one *column* of the *rows* rows of a frame."""
    if column.name in given:
        return read_column(column, given[column.name], untyped=untyped)
    return to_array(column, _check(column, Columns({}, rows)))


def _refit(column: Column, rows: Rows, source: Contract) -> list[Any]:
    """Check one *column* of *rows* that *source* has read already."""
    name, kind = column.name, source.types.get(column.name)
    if kind is None or "datetime" not in {kind, column.type}:
        return _check(column, Columns(rows.features, rows.count))
    if kind != column.type:
        raise InvalidRequest("wrong_type", f"column {name!r} is {kind} to the champion", name)
    return rows.features[name]


def _join(name: str, requests: list[Rows]) -> list[Any]:
    """Join the values of column *name* over *requests*."""
    if len(requests) == 1:
        return requests[0].features[name]
    return [value for rows in requests for value in rows.features[name]]
