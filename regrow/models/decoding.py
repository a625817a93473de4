"""MLflow's scoring protocol: a request body as named columns, before anything is known of their types."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from regrow.base.errors import InvalidRequest
from regrow.models.values import LONGEST_SHOWN, Text, shown

FORMATS = ("dataframe_split", "dataframe_records", "inputs", "instances")

JSON, CSV = MEDIA_TYPES = ("application/json", "text/csv")


@dataclass(frozen=True)
class Columns:
    """The values of a request by column, each list *rows* long."""

    values: dict[str, list[Any]]
    rows: int
    gaps: dict[str, int] = field(default_factory=dict)
    """Columns that some rows lack, each with the first row that lacks it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a body may hold, checked before anything is made of it, so that its cost follows its bytes."""

    known: frozenset[str] | None = None
    """The names that columns may have; None: any."""
    max_rows: int = 2**62

    def check_names(self, names: Iterable[str]) -> None:
        """Raise `InvalidRequest` for the first of *names* that is unknown."""
        if self.known is None or self.known.issuperset(names):
            return
        name = next(name for name in names if name not in self.known)[:LONGEST_SHOWN]
        raise InvalidRequest("unknown_column", f"column {name!r} is not in the model's signature", name)

    def check_rows(self, count: int) -> None:
        """Raise `InvalidRequest` if *count* is more than `max_rows`."""
        if count > self.max_rows:
            raise InvalidRequest(
                "too_many_rows", f"more than {self.max_rows} rows in one request; send fewer at a time"
            )


UNBOUNDED = Bounds()


def fill(given: Columns, name: str, value: str) -> Columns:
    """Return *given* with *value* in each row that has none in the column *name*."""
    column = given.values.get(name, [None] * given.rows)
    filled = [Text(value) if each is None else each for each in column]
    gaps = {other: row for other, row in given.gaps.items() if other != name}
    return Columns({**given.values, name: filled}, given.rows, gaps)


def decode(body: bytes, content_type: str, features: list[str], bounds: Bounds = UNBOUNDED) -> Columns:
    """Read *body* by its *content_type*; *features* name the values of a row that comes as a bare list.

    Raises `InvalidRequest` if the body is not of the protocol, the content type is unknown, a column comes twice or
    is shorter than another, or at the first name and as soon as there are more rows than *bounds* allow.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == CSV:
        return _csv(body, bounds)
    if kind not in {"", JSON}:
        raise InvalidRequest(
            "unsupported_media_type", f"{shown(kind)} is not read here; send {' or '.join(MEDIA_TYPES)}"
        )
    document = _json(body)
    if not isinstance(document, dict):
        raise malformed(f"the body must be an object with one of {', '.join(FORMATS)}")
    given = [name for name in FORMATS if name in document]
    unknown = set(document) - set(FORMATS) - {"params"}
    if len(given) != 1 or unknown:
        first = [name[:LONGEST_SHOWN] for name in islice(document, 8)]
        more = f" and {len(document) - len(first)} more" if len(document) > len(first) else ""
        raise malformed(f"the body must hold exactly one of {', '.join(FORMATS)}; it holds {first}{more}")
    content = document[given[0]]
    if given[0] == "dataframe_split":
        return _split(content, bounds)
    return _rows_or_columns(content, features, given[0], bounds)


def _json(body: bytes) -> Any:
    """Parse *body*; NaN and Infinity, which MLflow's clients write, are read as Python writes them."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in body and b"Infinity" not in body:
            raise malformed(f"the body is not valid JSON: {error}", "invalid_json") from error
    try:
        document = json.loads(body, parse_int=_whole)
        orjson.dumps(document)  # Half a surrogate pair can be read by this parser, and written by none.
    except (ValueError, TypeError, RecursionError) as error:
        raise malformed(f"the body is not valid JSON: {error}", "invalid_json") from error
    return document


def _whole(text: str) -> int | float:
    """Read a whole number as orjson does: one that 64 bits do not hold is a float."""
    number = int(text) if len(text) <= len(str(-(2**63))) else None
    return number if number is not None and -(2**63) <= number < 2**64 else float(text)


def _split(content: Any, bounds: Bounds) -> Columns:
    """Read `{"columns": […], "data": [[…], …]}`."""
    if not isinstance(content, dict) or not {"columns", "data"} <= set(content) <= {
        "columns",
        "data",
        "index",
    }:
        raise malformed("dataframe_split must be an object with columns and data (index is optional)")
    return _table(content["columns"], content["data"], "dataframe_split", bounds)


def _table(names: Any, data: Any, form: str, bounds: Bounds) -> Columns:
    """Read rows of bare values under *names*."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise malformed(f"{form}: columns must be a list of names")
    if not isinstance(data, list) or not all(isinstance(row, list) for row in data):
        raise malformed(f"{form}: data must be a list of rows, each a list of values")
    bounds.check_rows(len(data))
    bounds.check_names(names)
    _refuse_repeated(names)
    for number, row in enumerate(data):
        if len(row) != len(names):
            raise malformed(f"{form}: row {number} has {len(row)} values for {len(names)} columns")
    if len(data) == 1:
        return Columns({name: [value] for name, value in zip(names, data[0], strict=True)}, 1)
    columns = zip(*data, strict=True) if data else ([] for _ in names)
    return Columns({name: list(column) for name, column in zip(names, columns, strict=True)}, len(data))


def _refuse_repeated(names: list[str]) -> None:
    """Refuse *names* of which one comes twice."""
    seen = set[str]()
    for name in names:
        if name in seen:
            twice = name[:LONGEST_SHOWN]
            raise InvalidRequest("duplicate_column", f"column {twice!r} comes twice", twice)
        seen.add(name)


def _rows_or_columns(content: Any, features: list[str], form: str, bounds: Bounds) -> Columns:
    """Read a list of objects, a list of bare rows, or an object of columns."""
    if isinstance(content, dict) and form != "dataframe_records":
        return _columns(content, form, bounds)
    if not isinstance(content, list):
        raise malformed(f"{form} must be a list of rows")
    bounds.check_rows(len(content))
    if content and all(isinstance(row, list) for row in content) and form != "dataframe_records":
        return _table(features, content, form, bounds)
    if not all(isinstance(row, dict) for row in content):
        raise malformed(f"{form} must be a list of objects, one per row")
    return _records(content, bounds)


def _columns(content: dict[str, Any], form: str, bounds: Bounds) -> Columns:
    """Read `{"column": [value, …], …}`."""
    if not content or not all(isinstance(values, list) for values in content.values()):
        raise malformed(f"{form} must hold a list of values per column")
    bounds.check_names(content)
    rows = max(len(values) for values in content.values())
    bounds.check_rows(rows)
    for name, values in content.items():
        if len(values) != rows:
            short = name[:LONGEST_SHOWN]
            raise InvalidRequest(
                "ragged_columns", f"column {short!r} has {len(values)} of {rows} values", short
            )
    return Columns(content, rows)


def _records(records: list[dict[str, Any]], bounds: Bounds) -> Columns:
    """Read `[{"column": value, …}, …]`."""
    for record in records:
        bounds.check_names(record)
    if len(records) == 1:
        return Columns({name: [value] for name, value in records[0].items()}, 1)
    names = list(dict.fromkeys(name for record in records for name in record))
    gaps: dict[str, int] = {}
    for number, record in enumerate(records):
        if len(record) < len(names):
            gaps.update({name: number for name in names if name not in record and name not in gaps})
    return Columns({name: [record.get(name) for record in records] for name in names}, len(records), gaps)


def _csv(body: bytes, bounds: Bounds) -> Columns:
    """Read a CSV document with a header line; an empty field is a null."""
    try:
        lines: Iterable[list[str]] = csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True)
        header = next(line for line in lines if line)
        bounds.check_names(header)
        data = list(islice((line for line in lines if line), bounds.max_rows + 1))
    except (UnicodeDecodeError, csv.Error) as error:
        raise malformed(f"the body is not valid CSV in UTF-8: {error}", "invalid_csv") from error
    except StopIteration as error:
        raise malformed("the body is empty; send a header line and rows", "invalid_csv") from error
    bounds.check_rows(len(data))
    return _table(header, [[Text(text) if text else None for text in row] for row in data], "csv", bounds)


def malformed(message: str, code: str = "malformed_request") -> InvalidRequest:
    """Make the error of a body that does not follow the protocol."""
    return InvalidRequest(code, message)
