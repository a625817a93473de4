"""Bins of a column: cut from the reference, and the same for every window that is compared with it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.models.metrics import Codes

PARTS = 10
"""Bins of a column of numbers, if no value fills one alone."""
RARE = 0.01
"""Share of the reference below which a category has no bin of its own."""


@dataclass(frozen=True)
class Bins:
    """What a column is cut into. The last bin but one holds what is rare or new, the last one what is missing."""

    edges: NDArray[np.float64] | None
    """Of numbers: the upper ends of all bins but the last, each in its bin; None of categories."""
    names: tuple[str, ...] = ()
    """Of categories: those with a bin of their own."""

    @property
    def count(self) -> int:
        """How many bins there are."""
        return 2 + (len(self.edges) if self.edges is not None else len(self.names))

    @property
    def labels(self) -> list[str]:
        """What a report calls each bin; they sort in their order."""
        if self.edges is None:
            named = [*self.names, "rare or new"]
        else:
            ends = [f"{edge:.4g}" for edge in self.edges]
            named = [f"to {end}" for end in ends] + [f"above {ends[-1]}" if ends else "any"]
        return [f"{place:02d} {name}" for place, name in enumerate([*named, "missing"], 1)]

    def joined(self, other: "Bins") -> "Bins":
        """Return the bins that are cut wherever these or those of *other* are."""
        if self.edges is None or other.edges is None:
            return Bins(None, tuple(sorted({*self.names, *other.names})))
        return Bins(np.union1d(self.edges, other.edges))

    def codes(self, column: pd.Series) -> Codes:
        """Return the bin of each value of *column*, which `comparable` made."""
        missing = column.isna().to_numpy()
        if self.edges is not None:
            found = np.searchsorted(self.edges, column.to_numpy(np.float64), side="left")
        else:
            found = pd.Index(self.names, dtype="object").get_indexer(column.to_numpy(object))
            found = np.where(found < 0, len(self.names), found)
        return np.where(missing, self.count - 1, found).astype(np.int64)


def cut(reference: pd.Series, parts: int | None = None) -> Bins:
    """Cut *reference*, which `comparable` made, into bins, or into about *parts* of them.

    Numbers are cut at their tenths; a value that fills a tenth or more has a bin of its own. The first and the last bin
    are open, so an outlier lies in one of them and moves no other. Categories that are rare share a bin with those that
    the reference does not know: of a column with thousands of them nothing moves unless their whole share does.
    """
    present = reference.dropna()
    if present.dtype == np.float64:
        return Bins(_edges(present.to_numpy(), parts or PARTS))
    shares = present.value_counts(normalize=True)
    frequent = shares.index[shares >= RARE]
    return Bins(None, tuple(sorted(map(str, frequent[:parts]))))


def comparable(column: pd.Series, is_number: bool) -> pd.Series:
    """Turn numbers into floats, infinite ones into missing, anything else into text: one type on both sides."""
    return _as_float(column).replace([-np.inf, np.inf], np.nan) if is_number else _as_text(column)


def is_number(column: pd.Series) -> bool:
    """Return whether *column* is compared by its numbers; times are, as seconds."""
    is_bool = pd.api.types.is_bool_dtype(column)
    return _is_time(column) or (pd.api.types.is_numeric_dtype(column) and not is_bool)


def _edges(values: NDArray[np.float64], parts: int) -> NDArray[np.float64]:
    """Return the upper ends of *parts* bins of *values*; one that several end at is parted from what is below it."""
    if not len(values):
        return np.empty(0)
    ends = np.quantile(values, np.arange(1, parts) / parts, method="inverted_cdf")
    edges, times = np.unique(ends, return_counts=True)
    return np.unique(np.concatenate([edges, np.nextafter(edges[times > 1], -np.inf)]))


def _is_time(column: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(column)


def _as_float(column: pd.Series) -> pd.Series:
    """Return *column* as floats, times as seconds of the epoch."""
    if _is_time(column):
        epoch = pd.Timestamp(0, tz="UTC")
        return (pd.to_datetime(column, utc=True) - epoch).dt.total_seconds()
    return column.astype("float64")


def _as_text(column: pd.Series) -> pd.Series:
    """Return *column* as text, missing values as None."""
    present = column.astype("object")
    # Of a column without any value `map` would make floats, and then text that comes later no text.
    return present.map(str, na_action="ignore").astype("object").where(present.notna(), None)
