"""What is given: rows alike in declared context columns, such as the season or the weather, share a cell.

A column moved given the context if it lies otherwise than the reference's rows of the same cells do (the conditional
comparison of Cobb and Van Looveren 2022, by cells instead of by kernels).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from regrow.decisions.bins import PARTS, comparable, cut, is_number
from regrow.models.metrics import Codes, Floats

CELLS = 64
"""Cells of rows that the context is cut into, about."""
LEAST_ROWS = 20
"""Rows on each side from which a cell is compared."""
LEAST_COVERED = 0.5
"""Share of a window's rows that must lie in cells that are compared, or nothing is concluded."""
ROUND = 0.995
"""If more of the rows are compared, a verdict does not mention the rest."""


@dataclass(frozen=True)
class Cells:
    """The cell of each row on both sides, below `count`; rows of the last one are not compared."""

    count: int
    reference: Codes
    window: Codes

    @cached_property
    def served(self) -> Floats:
        """The rows of the window in each cell."""
        return np.bincount(self.window, minlength=self.count).astype(np.float64)

    @cached_property
    def known(self) -> Floats:
        """The rows of the reference in each cell."""
        return np.bincount(self.reference, minlength=self.count).astype(np.float64)

    @cached_property
    def compared(self) -> "Given":
        """Which cells are compared, with which shares."""
        return given(self.known[:, None], self.served[:, None], self.served)

    @property
    def covered(self) -> float:
        """The share of the window's rows that lie in cells which are compared."""
        return float(self.compared.covered)

    @cached_property
    def weights(self) -> Floats:
        """How much each row of the reference counts: as much as the served rows of its cell let it; 0 if not at all."""
        return (self.compared.shares / np.maximum(self.known, 1))[self.reference]

    @cached_property
    def shown(self) -> tuple[Codes, Codes]:
        """The rows of both sides that a report shows: all if none can be compared.

        Else rows of the reference drawn by their weights, and those of the window whose cells are compared.
        """
        if not self.covered:
            return np.arange(len(self.reference)), np.arange(len(self.window))
        chance = self.weights / self.weights.sum()
        drawn = np.random.default_rng(0).choice(len(chance), len(chance), p=chance)
        return drawn, np.flatnonzero((self.compared.shares > 0)[self.window])


@dataclass(frozen=True)
class Explained:
    """What a context explains: columns whose distance reaches the threshold without it, and does not given it."""

    context: tuple[str, ...]
    covered: float
    """The share of the window's rows whose context the reference knows."""
    columns: tuple[str, ...] = ()
    few: str = ""
    """Of how few units the reference's rows of such a context are, in words; empty if they are enough."""
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
        if self.few:
            return f"the reference's rows of such a context ({', '.join(self.context)}) are worth {self.few}"
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
    Rare text is of no cell: a thousand small shops are no one shop.
    """
    each = int(CELLS ** (1 / max(1, reference.shape[1])) + 1e-9)
    count, unknown = 1, [np.zeros(len(side), dtype=np.bool_) for side in (reference, window)]
    codes = [np.zeros(len(side), dtype=np.int64) for side in (reference, window)]
    for name in reference:
        numbers = is_number(reference[name]) and is_number(window[name])
        columns = [comparable(side[name], numbers) for side in (reference, window)]
        parts = min(PARTS, each) // 2 + 1 if numbers else each
        bins = cut(columns[0], parts).joined(cut(columns[1], parts))
        found = [bins.codes(column) for column in columns]
        if bins.edges is None:
            unknown = [lost | (code == len(bins.names)) for lost, code in zip(unknown, found, strict=True)]
        codes = [whole * bins.count + code for whole, code in zip(codes, found, strict=True)]
        count *= bins.count
    rows = np.bincount(codes[0][~unknown[0]], minlength=count)
    known = np.flatnonzero(rows >= LEAST_ROWS)
    places = np.full(count, len(known))
    places[known] = np.arange(len(known))
    sides = (np.where(lost, len(known), places[code]) for lost, code in zip(unknown, codes, strict=True))
    return Cells(len(known) + 1, *sides)


@dataclass(frozen=True)
class Given:
    """Windows of rows: what the context lets expect of each, and what it holds."""

    expected: Floats
    """Rows of each bin, `(…, bins)`."""
    found: Floats
    """Rows of each bin, `(…, bins)`."""
    covered: Floats
    """The share of the weights whose cells are compared, `(…)`."""
    shares: Floats
    """The part of each cell in the comparison, `(…, cells)`; 0 of cells that are not compared."""


def given(reference: Floats, window: Floats, weights: Floats) -> Given:
    """Compare counts `(…, cells, bins)` on both sides cell by cell, each cell with its part of *weights* `(cells,)`.

    The last cell, and cells of fewer than `LEAST_ROWS` rows on a side, are left out.
    """
    sizes = [side.sum(axis=-1) for side in (reference, window)]
    kept = np.where((sizes[0] >= LEAST_ROWS) & (sizes[1] >= LEAST_ROWS), weights, 0.0)
    kept[..., -1] = 0.0
    covered = kept.sum(axis=-1)
    shares = kept / np.maximum(covered, np.finfo(float).tiny)[..., None]
    parts = shares * sizes[1].sum(axis=-1)[..., None]
    expected, found = (
        np.sum(side * (parts / np.maximum(size, 1))[..., None], axis=-2)
        for side, size in zip((reference, window), sizes, strict=True)
    )
    return Given(expected, found, covered / max(float(np.sum(weights)), np.finfo(float).tiny), shares)
