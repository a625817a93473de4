"""Columns of a frame as a model takes them: how their types are found in training, and how their values are read."""

from collections.abc import Collection
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from regrow.base.errors import DataError
from regrow.models.values import NUMBERS, Array, Column, Text, check_values, to_array

STRING = pd.array([], dtype="str").dtype
"""The one type of text columns."""


def infer_columns(
    features: pd.DataFrame, *, gaps: Collection[str] = (), untyped: bool = False
) -> tuple[Column, ...]:
    """Return the columns of *features* with their types, found in all rows.

    A column is required if it has no missing value, here or elsewhere (*gaps*). One without any value, whose type
    says nothing, is taken for numbers that may be missing. Raises `DataError` naming a column of an unknown type.
    """
    return tuple(
        Column(str(name), _type(features[name], untyped), not (name in gaps or features[name].isna().any()))
        for name in features
    )


def why_idle(features: pd.DataFrame) -> dict[str, str]:
    """Return the columns of *features* that tell nothing, each with the reason: no value, or one in every row."""
    found: dict[str, str] = {}
    for name in features:
        values = features[name]
        first = values.iloc[0] if len(values) else None
        if values.isna().all():
            found[str(name)] = "no row has a value"
        elif types.is_scalar(first) and not values.isna().any() and bool((values == first).all()):
            found[str(name)] = f"every row has {_plain(first, untyped=False)!r}"
    return found


def widen_whole_numbers(columns: Collection[Column], features: pd.DataFrame) -> tuple[Column, ...]:
    """Return *columns* with doubles for whole numbers, so that they may be missing or fractional when they are served.

    A pipeline sees the same numbers; a column that holds one that no double does, as an id may, stays as it is.
    """
    return tuple(
        replace(column, type="double")
        if column.type in {"long", "integer"} and _fits_double(features[column.name])
        else column
        for column in columns
    )


def _fits_double(values: pd.Series) -> bool:
    """Return whether every whole number of *values* is a double as well."""
    known = values if types.is_numeric_dtype(values) else values.dropna().astype(object)
    return all(abs(int(limit)) <= 2**53 for limit in (known.min(), known.max()) if not pd.isna(limit))


def read_column(column: Column, given: pd.Series, *, untyped: bool = False) -> Array:
    """Return the values of *given* as the array that `to_array` makes of the same values in a request.

    Raises `InvalidRequest` naming the row and the value that does not fit.
    """
    ready = _ready(column, given)
    if ready is not None:
        return ready
    return to_array(column, check_values(column, plain_values(given, untyped=untyped)))


def plain_values(given: pd.Series, *, untyped: bool = False) -> list[Any]:
    """Return the values of *given* as JSON would bring them: a missing one as None, *untyped* text as `Text`."""
    missing = given.isna().to_numpy()
    values = given.tolist()
    if untyped or types.is_object_dtype(given.dtype) or not isinstance(given.dtype, np.dtype):
        values = [_plain(value, untyped) for value in values]
    if not missing.any():
        return values
    return [None if gone else value for gone, value in zip(missing, values, strict=True)]


def _ready(column: Column, given: pd.Series) -> Array | None:
    """Return the values of *given* if their type alone proves that they fit; a value is looked at only otherwise."""
    dtype = given.dtype
    if dtype == STRING and column.type == "string":
        return given.array
    if not isinstance(dtype, np.dtype):
        return None
    if dtype.kind == "b" and column.type == "boolean":
        return given.to_numpy() if column.required else given.to_numpy(dtype=object)
    if dtype.kind in "iuf" and column.type in {"double", "float"}:
        return given.to_numpy(dtype=np.float64).astype(NUMBERS[column.type], copy=False)
    if dtype.kind in "iu" and column.type in NUMBERS and np.can_cast(dtype, NUMBERS[column.type]):
        return given.to_numpy(dtype=NUMBERS[column.type] if column.required else np.float64)
    return None


def _plain(value: Any, untyped: bool) -> Any:
    """Return *value* as the type that JSON knows, if there is one."""
    if isinstance(value, np.datetime64):
        return pd.Timestamp(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Decimal):
        return float(value)
    return Text(value) if untyped and type(value) is str else value


def _type(given: pd.Series, untyped: bool) -> str:
    """Return the MLflow type of *given*."""
    dtype = given.dtype
    tells_nothing = isinstance(dtype, pd.CategoricalDtype) or types.is_object_dtype(dtype)
    if tells_nothing or (untyped and given.isna().all()):
        return _type_of_values(given)
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_integer_dtype(dtype):
        return "integer" if np.can_cast(_numpy(dtype), np.int32) else "long"
    if types.is_float_dtype(dtype):
        return "float" if np.can_cast(_numpy(dtype), np.float32) else "double"
    if types.is_datetime64_any_dtype(dtype):
        return "datetime"
    return "string" if isinstance(dtype, pd.StringDtype) else _type_of_values(given)


def _numpy(dtype: Any) -> np.dtype[Any]:
    """Return the NumPy type behind *dtype*, which may be one of pandas' own or of Arrow."""
    if isinstance(dtype, pd.SparseDtype):
        return np.dtype(dtype.subtype)
    return dtype if isinstance(dtype, np.dtype) else dtype.numpy_dtype


def _type_of_values(given: pd.Series) -> str:
    """Return the MLflow type that all values of *given* have."""
    values = plain_values(given)
    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return "double"
    if kinds == {bool}:
        return "boolean"
    if kinds == {str}:
        return "string"
    if kinds <= {int, float}:
        return "double" if float in kinds else "long"
    if all(issubclass(kind, date) for kind in kinds):
        return "datetime"
    first: dict[type, int] = {}
    for row, value in enumerate(values):
        first.setdefault(type(value), row)
    shown = ", ".join(f"{values[row]!r:.60} in row {row}" for kind, row in first.items() if kind in kinds)
    raise DataError(
        f"column `{given.name}`: a model takes numbers, text, or true and false, one of them in a column; it holds "
        f"{shown}; correct it in the source, or leave it out of data.features"
    )
