"""What each column of a table holds, told from its values and, where those leave it open, from its name."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api import types

from regrow.base.errors import DataError
from regrow.data.text_columns import suspect
from regrow.models.frames import infer_columns
from regrow.project import CsvSource

Holds = Literal[
    "numbers", "whole numbers", "true or false", "categories", "free text", "names", "dates", "row numbers",
    "one value", "nothing", "no single values",
]  # fmt: skip
"""`names`: nearly every row has a value of its own, as an id or a person's name has."""

SAMPLE = 100_000
"""Rows that are looked at if there are more."""
INFINITE = "infinite values"
ISO_DATE = re.compile(r"\d{4}-\d{2}(-\d{2}.*)?")


@dataclass(frozen=True)
class ColumnFacts:
    """One column: what it holds, its share of missing values, and how many different values the looked-at rows have."""

    name: str
    holds: Holds
    missing: float
    distinct: int
    note: str = ""
    """What a person should know of it, with the remedy; empty if there is nothing."""

    @property
    def usable(self) -> bool:
        """Whether a model can learn from the column as it is."""
        return self.holds in {"numbers", "whole numbers", "true or false", "categories"} and not self.note


def describe_columns(frame: pd.DataFrame, source: CsvSource | None = None) -> tuple[ColumnFacts, ...]:
    """Return what each column of *frame* holds, in order; of many rows a sample is looked at, the same each time.

    *source* is the CSV file that it was read from, if it was one: how it is described there decides what is text.
    """
    looked = take_sample(frame, SAMPLE)
    return tuple(_describe(looked[name], float(frame[name].isna().mean()), source) for name in frame)


def take_sample(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return *most* rows of *frame* in their order, drawn the same each time; all of them if there are no more."""
    return frame if len(frame) <= most else frame.sample(most, random_state=0).sort_index()


def _describe(values: pd.Series, missing: float, source: CsvSource | None) -> ColumnFacts:
    """Return what *values* holds."""
    name, present = str(values.name), values.dropna()
    if present.empty:
        return ColumnFacts(name, "nothing", missing, 0)
    try:
        kind = infer_columns(present.to_frame())[0].type
        distinct = int(present.nunique())
    except (DataError, TypeError) as error:  # What cannot be counted, as lists, is a TypeError.
        return ColumnFacts(name, "no single values", missing, 0, str(error))
    holds, note = _read(present, kind, distinct, source)
    return ColumnFacts(name, holds, missing, distinct, note)


def _read(present: pd.Series, kind: str, distinct: int, source: CsvSource | None) -> tuple[Holds, str]:
    """Return what *present*, of MLflow's type *kind*, holds, and what is to be done about it."""
    if distinct == 1:
        return "one value", ""
    if kind == "string":
        return _read_text(present.astype("str"), distinct, source)
    if kind in {"datetime", "boolean"}:
        return ("dates" if kind == "datetime" else "true or false"), ""
    if infinite := int(np.isinf(present.to_numpy(dtype=np.float64)).sum()):
        return "numbers", f"{INFINITE} ({infinite:,}); make gaps, or numbers, of them in the source"
    if not _whole(present):
        return "numbers", ""
    return ("row numbers" if _counts_rows(present) else "whole numbers"), ""


def _read_text(present: pd.Series, distinct: int, source: CsvSource | None) -> tuple[Holds, str]:
    """Return what text holds, and what is to be done if it is something else in disguise."""
    if _all_match(ISO_DATE, present) and _parses(present):
        return "dates", ""
    if said := next(suspect(present, source), None):
        return "categories", said
    each = distinct / len(present)
    words = float(present.str.count(" ").mean()) + 1
    if words > 4 and each > 0.3:
        return "free text", ""
    if each > 0.5 and distinct > 20:
        return "names", ""
    return "categories", ""


def _parses(present: pd.Series) -> bool:
    """Return whether all of *present* are dates of ISO 8601."""
    return bool(pd.to_datetime(present, format="ISO8601", errors="coerce", utc=True).notna().all())


def _all_match(pattern: re.Pattern[str], present: pd.Series) -> bool:
    """Return whether 19 of 20 of the values in *present* are of *pattern*."""
    return float(present.str.strip().str.fullmatch(pattern).mean()) > 0.95


def _whole(present: pd.Series) -> bool:
    """Return whether all of *present* are whole numbers: gaps make floats of them."""
    numbers = present.to_numpy(dtype=np.float64)
    return bool(np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all())


def _counts_rows(present: pd.Series) -> bool:
    """Return whether *present* only counts the rows: as R and pandas write them, without a name of its own."""
    name = str(present.name)
    unnamed = name.strip().lower() in {
        "",
        "index",
        "rownames",
        "row",
        "row_names",
        "x",
        "obs",
    } or name.startswith("Unnamed:")
    steps = np.diff(present.to_numpy(dtype=np.float64))
    return bool(unnamed and len(steps) and (steps > 0).all())


def plain(value: Any) -> Any:
    """Return *value* with a plain number, text or boolean for NumPy's."""
    return value.item() if isinstance(value, np.generic) else value


def is_number(values: pd.Series) -> bool:
    """Return whether *values* are numbers, and not true or false."""
    return types.is_numeric_dtype(values) and not types.is_bool_dtype(values)
