"""What is given: rows alike in declared context columns, such as the season or the weather, share a cell.

A column moved given the context if it lies otherwise than the reference's rows of the same cells do (the conditional
comparison of Cobb and Van Looveren 2022, by cells instead of by kernels).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from regrow.decisions.bins import PARTS, comparable, cut, is_number
from regrow.models.metrics import Codes, Floats

CELLS = 64
"""Cells that the context is cut into, about: the tenths of one column, the eighths of two, the quarters of three."""
LEAST_ROWS = 20
"""Rows on each side from which a cell is compared."""
LEAST_COVERED = 0.5
"""Share of a window's rows that must lie in cells that are compared, or nothing is concluded."""
ROUND = 0.995
"""Share of the rows from which a verdict says nothing of those that are left out."""


@dataclass(frozen=True)
class Cells:
    """The cell of each row on both sides, below `count`; the last one holds what the reference hardly knows."""

    count: int
    reference: Codes
    window: Codes

    @property
    def served(self) -> Floats:
        """The rows of the window in each cell."""
        return np.bincount(self.window, minlength=self.count).astype(np.float64)

    @property
    def covered(self) -> float:
        """The share of the window's rows that lie in cells which are compared."""
        known = np.bincount(self.reference, minlength=self.count).astype(np.float64)
        return float(given(known[:, None], self.served[:, None], self.served).covered)


@dataclass(frozen=True)
class Explained:
    """What a context explains: columns that lie far from the reference, and do not given the context."""

    context: tuple[str, ...]
    covered: float
    """The share of the window's rows whose context the reference knows."""
    columns: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    """Context columns that the log or the reference lacks."""

    @property
    def obstacle(self) -> str:
        """Why nothing is concluded given the context; empty if something is."""
        if self.lacking:
            named = ", ".join(f"`{name}`" for name in self.lacking)
            return (
                f"monitoring.drift.context: {named} not among the features that were logged and learnt from"
            )
        if self.covered < LEAST_COVERED:
            named = ", ".join(self.context)
            return f"only {self.covered:.0%} of the rows have a context ({named}) that the reference knows"
        return ""

    def __str__(self) -> str:
        """Return in words what was given, and what it explains."""
        told = f" given {', '.join(self.context)}"
        if self.columns:
            told += f", which explains {', '.join(self.columns)}"
        return (
            told
            if self.covered > ROUND
            else f"{told}, for the {self.covered:.0%} of the rows whose context is known"
        )


def cut_cells(reference: pd.DataFrame, window: pd.DataFrame) -> Cells:
    """Cut the context columns *reference* and *window* into cells, fine enough for both.

    Cut by the reference alone, a summer would lie in the cell of the warmest tenth of a winter, and be taken for it.
    """
    parts = min(PARTS, int(CELLS ** (1 / max(1, reference.shape[1])) + 1e-9)) // 2 + 1
    count, sides = 1, [np.zeros(len(side), dtype=np.int64) for side in (reference, window)]
    for name in reference:
        numbers = is_number(reference[name]) and is_number(window[name])
        columns = [comparable(side[name], numbers) for side in (reference, window)]
        bins = cut(columns[0], parts).joined(cut(columns[1], parts))
        count *= bins.count
        sides = [side * bins.count + bins.codes(column) for side, column in zip(sides, columns, strict=True)]
    known = np.flatnonzero(np.bincount(sides[0], minlength=count) >= LEAST_ROWS)
    places = np.full(count, len(known))
    places[known] = np.arange(len(known))
    return Cells(len(known) + 1, *(places[side] for side in sides))


@dataclass(frozen=True)
class Given:
    """The rows of each bin: what the context lets expect of a window, and what the window holds."""

    expected: Floats
    found: Floats
    covered: Floats
    """The share of the window's rows, by the weights of their cells, whose cells are compared at all."""


def given(reference: Floats, window: Floats, weights: Floats) -> Given:
    """Compare counts of `(…, cells, bins)` on both sides cell by cell, each cell with its part of *weights*.

    The last cell, and cells of fewer than `LEAST_ROWS` rows on a side, are left out.
    """
    sizes = [side.sum(axis=-1) for side in (reference, window)]
    kept = np.where((sizes[0] >= LEAST_ROWS) & (sizes[1] >= LEAST_ROWS), weights, 0.0)
    kept[..., -1] = 0.0
    covered = kept.sum(axis=-1)
    parts = kept / np.maximum(covered, np.finfo(float).tiny)[..., None] * sizes[1].sum(axis=-1)[..., None]
    expected, found = (
        np.sum(side * (parts / np.maximum(size, 1))[..., None], axis=-2)
        for side, size in zip((reference, window), sizes, strict=True)
    )
    return Given(expected, found, covered / max(float(np.sum(weights)), np.finfo(float).tiny))
