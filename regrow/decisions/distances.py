"""How far two frames' columns lie apart, by the shares of bins; Evidently draws the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from regrow.decisions.bins import Bins, comparable, cut, is_number
from regrow.models.metrics import Codes, Floats
from regrow.project.monitoring import DriftMethod

DRAWN = 100
"""Columns that a report draws at most, the farthest apart: each takes a fifth of a second and 40 kB."""
SMOOTHING = 0.5
"""Rows that are added to each bin on each side, so that an empty one is no infinite distance."""


@dataclass(frozen=True)
class Binned:
    """A column that was compared: its bins, and the bin of each row on both sides."""

    bins: Bins
    reference: Codes
    window: Codes

    def counts(self) -> tuple[Floats, Floats]:
        """Return the rows of each bin in the reference and in the window."""
        least = self.bins.count
        return (
            np.bincount(self.reference, minlength=least).astype(np.float64),
            np.bincount(self.window, minlength=least).astype(np.float64),
        )


@dataclass(frozen=True)
class Distances:
    """Each compared column's distance, and the bins that it is of."""

    values: dict[str, float]
    columns: dict[str, Binned]
    method: DriftMethod
    thresholds: Mapping[str, float]

    def joined(self, other: "Distances") -> "Distances":
        """Return these distances and those of *other* columns together."""
        return Distances(
            self.values | other.values,
            self.columns | other.columns,
            self.method,
            {**self.thresholds, **other.thresholds},
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
            codes = binned.reference if side == "reference" else binned.window
            columns[name] = pd.Series(np.array(binned.bins.labels, dtype=object)[codes])
        return pd.DataFrame(columns)


def measure_distances(
    reference: pd.DataFrame, window: pd.DataFrame, method: DriftMethod, thresholds: Mapping[str, float]
) -> Distances:
    """Compare *window* with *reference* in each column of *thresholds*, each once.

    A column without a value on both sides is left out. The thresholds only colour the report.
    """
    columns = dict[str, Binned]()
    for name in thresholds:
        numbers = is_number(reference[name]) and is_number(window[name])
        left, right = (comparable(frame[name], numbers) for frame in (reference, window))
        if not left.isna().all() or not right.isna().all():
            bins = cut(left)
            columns[name] = Binned(bins, bins.codes(left), bins.codes(right))
    values = {name: float(distance(*binned.counts(), method)) for name, binned in columns.items()}
    return Distances(values, columns, method, thresholds)


def distance(reference: Floats, window: Floats, method: DriftMethod) -> NDArray[np.float64]:
    """Return how far apart the counts of bins lie, which stand in the last axis.

    PSI is the sum of (p - q) ln(p / q) (Jeffreys 1946); the Jensen-Shannon distance is the root of the divergence
    (Lin 1991; Endres and Schindelin 2003). A bin that has rows on a side has `SMOOTHING` rows more on both.
    """
    added = np.where(reference + window > 0, SMOOTHING, 0.0)
    p, q = ((side + added) / (side + added).sum(axis=-1, keepdims=True) for side in (reference, window))
    if method == "psi":
        return np.sum(special.rel_entr(p, q) + special.rel_entr(q, p), axis=-1)
    middle = (p + q) / 2
    divergence = np.sum(special.rel_entr(p, middle) + special.rel_entr(q, middle), axis=-1) / 2
    return np.sqrt(np.maximum(divergence, 0.0))
