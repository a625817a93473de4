"""The types of a model's columns: which values each of them takes, and the one array that holds them."""

import math
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from regrow.base.errors import InvalidRequest
from regrow.data.times import to_microseconds

NUMBERS = {"double": np.float64, "float": np.float32, "long": np.int64, "integer": np.int32}
LONGEST_NAME = 1000
"""The longest name of a row or an entity that a client may send, in characters."""
LONGEST_SHOWN = 80
"""How much of what a client sent a message shows, in characters."""


class Text(str):
    """A value that came without a type, as in a CSV file; its column decides what it is."""

    __slots__ = ()


ACCEPTED: dict[str, set[type]] = {
    "double": {float, int},
    "float": {float, int},
    "long": {int},
    "integer": {int},
    "boolean": {bool},
    "string": {str, Text},
}
NULLABLE = {"double", "float", "string", "datetime"}
"""Types in which the pipeline decides what a null means; a column of another type takes none if it is required."""
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
Array = np.ndarray[Any, Any] | ExtensionArray


@dataclass(frozen=True)
class Column:
    """One raw column of a model: its name, its MLflow type, and whether every row must have it."""

    name: str
    type: str
    required: bool


def check_values(column: Column, values: list[Any]) -> list[Any]:
    """Return *values* in the type of *column*; moments become microseconds since 1970, UTC.

    Raises `InvalidRequest` naming the column, the row and the value that does not fit.
    """
    kinds = set(map(type, values))
    if Text in kinds and column.type != "string":
        values = _parse_all(column, values)
        kinds = set(map(type, values))
    if type(None) in kinds:
        if column.type not in NULLABLE and column.required:
            _refuse(column, values, values.index(None), "null_value")
        kinds.discard(type(None))
    if column.type == "datetime":
        return read_moments(column.name, values)
    accepted = ACCEPTED.get(column.type)
    if accepted is None:
        return values
    if column.type in {"long", "integer"}:
        return _whole(column, values, kinds)
    if not kinds <= accepted:
        wrong = (row for row, value in enumerate(values) if value is not None and type(value) not in accepted)
        _refuse(column, values, next(wrong))
    if int in kinds:
        _refuse_huge(column, values)
    return values


def to_array(column: Column, values: list[Any]) -> Array:
    """Return *values*, which `check_values` has checked, as the one array that a model gets.

    Its type follows from the column alone, never from the rows, so that a row's answer does not depend on the
    others: whole numbers that may be missing are floats, booleans that may be missing are objects.
    """
    if column.type in {"double", "float"}:
        return np.array(values, dtype=NUMBERS[column.type])
    if column.type in NUMBERS:
        return np.array(values, dtype=NUMBERS[column.type] if column.required else np.float64)
    if column.type == "boolean" and column.required:
        return np.array(values, dtype=np.bool_)
    if column.type == "datetime":
        return np.array(values, dtype="datetime64[us]")
    if column.type == "string":
        # As in the snapshots: alone, a null would stay None, which an encoder does not take for the missing value.
        return pd.array(values, dtype="str")
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def shown(value: Any) -> str:
    """Return *value* as a message shows it: the beginning of a long text, and only the kind of a list or an object."""
    match value:
        case None:
            return "null"
        case list():
            return "a list"
        case dict():
            return "an object"
        case str():
            return repr(str(value[:LONGEST_SHOWN]))
        case _:
            return repr(value)[:LONGEST_SHOWN]


def read_moments(name: str | None, values: list[Any]) -> list[int | None]:
    """Read moments as microseconds since 1970; a moment without a time zone is UTC."""
    return [None if value is None else _moment(str(name), row, value) for row, value in enumerate(values)]


def read_names(name: str | None, values: list[Any]) -> list[str | None]:
    """Return what names the rows, or whom they are about, as text of at most `LONGEST_NAME` characters."""
    for row, value in enumerate(values):
        if isinstance(value, list | dict | bool) or (isinstance(value, float) and not value.is_integer()):
            message = f"column {name!r}, row {row}: {shown(value)} is not text or a whole number"
            raise InvalidRequest("wrong_type", message, str(name), row)
        if isinstance(value, str) and len(value) > LONGEST_NAME:
            message = f"column {name!r}, row {row}: a name has at most {LONGEST_NAME} characters, this one {len(value)}"
            raise InvalidRequest("too_long", message, str(name), row)
    return [None if v is None else str(int(v)) if isinstance(v, float) else str(v) for v in values]


def _moment(name: str, row: int, value: str | float) -> int | None:
    """Read one moment."""
    if isinstance(value, float) and math.isnan(value):
        return None
    try:
        return to_microseconds(datetime.fromisoformat("" if isinstance(value, list | dict) else str(value)))
    except ValueError as error:
        message = f"column {name!r}, row {row}: {shown(value)} is not {MOMENT}"
        raise InvalidRequest("wrong_type", message, name, row) from error


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


def _refuse_huge(column: Column, values: list[Any]) -> None:
    """Refuse a whole number that no float holds."""
    for row, value in enumerate(values):
        if type(value) is int and value.bit_length() > 1023:
            _refuse(column, values, row)


def _refuse(column: Column, values: list[Any], row: int, code: str = "wrong_type") -> None:
    """Raise `InvalidRequest` for the value in *row* of *column*."""
    needed = WORDS.get(column.type, column.type)
    message = f"column {column.name!r}, row {row}: {shown(values[row])} is not {needed}"
    raise InvalidRequest(code, message, column.name, row)


def _parse_all(column: Column, values: list[Any]) -> list[Any]:
    """Read untyped text among *values* in the type of *column*; millions of numbers are read in one go."""
    if column.type in {"double", "float"}:
        with suppress(ValueError):
            return [float(value) if type(value) is Text else value for value in values]
    return [_parse(column, value) for value in values]


def _parse(column: Column, value: Any) -> Any:
    """Read untyped text in the type of *column*; what cannot be read stays text, to be refused."""
    if not isinstance(value, Text):
        return value
    if column.type == "boolean":
        return {"true": True, "false": False, "1": True, "0": False}.get(value.lower(), str(value))
    if column.type not in NUMBERS:
        return str(value)
    try:
        return float(value) if column.type in {"double", "float"} else _parse_whole(value)
    except ValueError:
        return str(value)


def _parse_whole(text: str) -> int | float:
    """Read a whole number, which may be written `5.0`: so pandas writes a column that lacks a value."""
    try:
        return int(text)
    except ValueError:
        if not (number := float(text)).is_integer():
            raise
        return number
