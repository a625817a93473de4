"""How far two frames' columns lie apart, by the shares of bins; Evidently draws the page."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from regrow.decisions.bins import Bins, comparable, cut, is_number
from regrow.decisions.context import Cells, Explained, Given, cut_cells, given
from regrow.models.metrics import Codes, Floats
from regrow.project.monitoring import DriftMethod

DRAWN = 100
"""Columns that a report draws at most, the farthest apart: each takes a fifth of a second and 40 kB."""
SMOOTHING = 0.5
"""Rows that are added to each bin on each side, so that an empty one is no infinite distance."""


@dataclass(frozen=True)
class Binned:
    """A column that was compared: its bins, the bin of each row on both sides, and the cell if a context is given."""

    bins: Bins
    reference: Codes
    window: Codes
    cells: Cells | None = None

    def counts(self) -> tuple[Floats, Floats]:
        """Return the rows of each bin in the reference, or that the context lets expect, and in the window."""
        if self.cells is None:
            return self.table(self.reference, None)[0], self.table(self.window, None)[0]
        compared = self.given()
        return compared.expected, compared.found

    def given(self) -> Given:
        """Return what the context lets expect, and what is found."""
        assert self.cells is not None  # noqa: S101
        sides = self.table(self.reference, self.cells.reference), self.table(self.window, self.cells.window)
        return given(*sides, self.cells.served)

    def worth(self) -> tuple[float, float]:
        """Return how many rows each side is worth: its number, or fewer if cells of few rows count much."""
        if self.cells is None:
            return float(len(self.reference)), float(len(self.window))
        shares = self.cells.compared.shares
        spread = (np.sum(shares**2 / np.maximum(rows, 1)) for rows in (self.cells.known, self.cells.served))
        first, second = (1 / max(float(each), np.finfo(float).tiny) for each in spread)
        return first, second

    def table(self, codes: Codes, cells: Codes | None) -> Floats:
        """Return the rows of each cell, a row, and bin, a column, by the *codes* of rows and their *cells*."""
        count, bins = self.cells.count if self.cells else 1, self.bins.count
        places = codes if cells is None else cells * bins + codes
        return np.bincount(places, minlength=count * bins).reshape(count, bins).astype(np.float64)


@dataclass(frozen=True)
class Distances:
    """Each compared column's distance, and the bins that it is of."""

    values: dict[str, float]
    columns: dict[str, Binned]
    method: DriftMethod
    thresholds: Mapping[str, float]
    plain: Mapping[str, float] = field(default_factory=dict)
    """Of columns that were compared given a context: their distances without it."""
    context: tuple[str, ...] = ()
    """The columns that are given: their distances are told, and they are not judged."""

    @property
    def judged(self) -> list[str]:
        """The columns that may have drifted."""
        return [name for name in self.values if name not in self.context]

    @property
    def cells(self) -> Cells | None:
        """The cells of the context; None if none is given."""
        return next((binned.cells for binned in self.columns.values() if binned.cells), None)

    @property
    def explained(self) -> Explained | None:
        """What the context explains; None if none is given."""
        cells = self.cells
        if not self.context or cells is None:
            return None
        far = [
            name for name, value in self.plain.items() if value >= self.thresholds[name] > self.values[name]
        ]
        return Explained(self.context, cells.covered, tuple(far))

    def joined(self, other: "Distances") -> "Distances":
        """Return these distances and those of *other* columns together."""
        return Distances(
            self.values | other.values,
            self.columns | other.columns,
            self.method,
            {**self.thresholds, **other.thresholds},
            {**self.plain, **other.plain},
            self.context,
        )

    def save_html(self, path: Path) -> None:
        """Write a report to *path* as one HTML page that needs no network; of many columns it shows `DRAWN`.

        It shows the bins that were compared, so its figures are nearly these: Evidently smooths in its own way.
        """
        if not self.values:
            path.write_text("<p>No column has values on both sides.</p>", encoding="utf-8")
            return
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift

        farthest = set(sorted(self.values, key=lambda name: -self.values[name])[:DRAWN])
        names = [name for name in self.values if name in farthest]
        definition = DataDefinition(categorical_columns=names)
        left, right = (
            Dataset.from_pandas(frame, data_definition=definition)
            for frame in (self._labels(names, "reference"), self._labels(names, "window"))
        )
        metrics = [
            ValueDrift(column=name, method=self.method, threshold=self.thresholds[name]) for name in names
        ]
        Report(list(metrics)).run(right, left).save_html(str(path))

    def _labels(self, names: list[str], side: str) -> pd.DataFrame:
        """Return the label of each row's bin on one *side*; columns of fewer rows end in missing values."""
        columns = {}
        for name in names:
            binned = self.columns[name]
            codes, place = (binned.reference, 0) if side == "reference" else (binned.window, 1)
            if binned.cells is not None:
                codes = codes[binned.cells.shown[place]]
            columns[name] = pd.Series(np.array(binned.bins.labels, dtype=object)[codes])
        return pd.DataFrame(columns)


def measure_distances(
    reference: pd.DataFrame,
    window: pd.DataFrame,
    method: DriftMethod,
    thresholds: Mapping[str, float],
    context: tuple[str, ...] = (),
) -> Distances:
    """Compare *window* with *reference* in each column of *thresholds*, each once, given the columns of *context*.

    A column without a value on both sides is left out. The thresholds only colour the report.
    """
    cells = cut_cells(reference[[*context]], window[[*context]]) if context else None
    if cells is not None and cells.count == 2 and cells.covered == 1:
        cells = None  # One known cell, and all rows in it: the context tells none apart.
    columns = dict[str, Binned]()
    for name in thresholds:
        numbers = is_number(reference[name]) and is_number(window[name])
        left, right = (comparable(frame[name], numbers) for frame in (reference, window))
        if not left.isna().all() or not right.isna().all():
            bins, of = cut(left), None if name in context else cells
            columns[name] = Binned(bins, bins.codes(left), bins.codes(right), of)
    plain = {name: replace(binned, cells=None) for name, binned in columns.items() if binned.cells}
    return Distances(_values(columns, method), columns, method, thresholds, _values(plain, method), context)


def _values(columns: Mapping[str, Binned], method: DriftMethod) -> dict[str, float]:
    """Return the distance of each of *columns*."""
    return {name: float(distance(*binned.counts(), method)) for name, binned in columns.items()}


def distance(reference: Floats, window: Floats, method: DriftMethod) -> NDArray[np.float64]:
    """Return how far apart the counts of bins lie, which stand in the last axis.

    PSI is the sum of (p - q) ln(p / q) (Jeffreys 1946); the Jensen-Shannon distance is the root of the divergence
    (Lin 1991; Endres and Schindelin 2003). A bin that has rows on a side has `SMOOTHING` rows more on both.
    """
    added = np.where(reference + window > 0, SMOOTHING, 0.0)
    sides = [side + added for side in (reference, window)]
    p, q = (side / np.maximum(side.sum(axis=-1, keepdims=True), SMOOTHING) for side in sides)
    if method == "psi":
        return np.sum(special.rel_entr(p, q) + special.rel_entr(q, p), axis=-1)
    middle = (p + q) / 2
    divergence = np.sum(special.rel_entr(p, middle) + special.rel_entr(q, middle), axis=-1) / 2
    return np.sqrt(np.maximum(divergence, 0.0))
