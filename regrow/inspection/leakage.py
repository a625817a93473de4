"""What gives the target away: a column that predicts it alone, rows on both sides of the split, later times.

A column is judged by itself: its values are put into bins, half of the rows teach each bin's mean target, and the
other half is predicted by it, and the other way round. That is a tree of one column, validated on rows that it has
not seen; a column of ids learns nothing so. An amount's copy in another unit is found by Spearman's correlation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

ROWS = 10_000
"""Rows that are looked at if there are more."""
CELLS = 2_000_000
"""Values that are looked at at most: of very many columns fewer rows."""
SHARED_ROWS = 300_000
"""Rows by which it is told whether they stand on both sides of the split, if there are more."""
BINS = 64
SHARE_OF_ONE_OUTCOME = 0.995
"""Share of one class from which a column counts as filled for that class alone."""


@dataclass(frozen=True)
class Shadow:
    """How well one column predicts the target alone, on rows that its bins were not learnt from."""

    column: str
    figure: float
    """Area under the ROC curve of a classifier (the mean of its classes), R² of the ranks of a regression."""
    measure: str
    only: str = ""
    """In words: the column is filled for one outcome alone; empty if it is not."""

    @property
    def words(self) -> str:
        """What was found, in words."""
        return self.only or f"it predicts the target nearly alone ({self.measure} {self.figure:.3f})"


def find_shadows(
    features: pd.DataFrame, target: pd.Series, classifies: bool, limit: float = 0.995
) -> list[Shadow]:
    """Return the columns of *features* that predict *target* alone by *limit* or better, or are filled for one class.

    The figure is the area under the ROC curve if the model *classifies*, else R² of ranks; of many rows `ROWS` are
    looked at.
    """
    known = np.flatnonzero(target.notna())
    most = max(200, min(ROWS, CELLS // max(1, features.shape[1])))
    rows = known[_draw(target.iloc[known] if classifies else None, len(known), most)]
    truths = _truths(target.iloc[rows], classifies)
    found = (_judge(features[name].iloc[rows], truths, classifies) for name in features)
    return [shadow for shadow in found if shadow.figure >= limit or shadow.only]


def _draw(classes: pd.Series | None, count: int, most: int) -> Codes:
    """Draw at most about *most* of *count* rows, the same each time; of a rare class all of them."""
    if count <= most:
        return np.arange(count)
    shuffled = np.random.default_rng(0).permutation(count)
    if classes is None:
        return np.sort(shuffled[:most])
    codes = pd.factorize(classes)[0][shuffled]
    places = pd.Series(codes).groupby(codes).cumcount().to_numpy()
    return np.sort(shuffled[places < max(1, most // (codes.max() + 1))])


def _truths(target: pd.Series, classifies: bool) -> dict[str, Floats]:
    """Return what is to be predicted: a number by its rank, or for each class whether a row is of it."""
    if not classifies:
        return {"": np.asarray(rankdata(target.to_numpy(dtype=np.float64)))}
    counts = target.value_counts()
    classes = counts.index[:1] if len(counts) == 2 else counts.index[:20]
    return {str(label): (target == label).to_numpy(dtype=np.float64) for label in classes}


def _judge(values: pd.Series, truths: dict[str, Floats], classifies: bool) -> Shadow:
    """Return how well *values* predict each of *truths*."""
    numbers = _numbers(values)
    bins = (
        pd.factorize(values.astype("str").where(values.notna()))[0] + 1 if numbers is None else _bins(numbers)
    )
    halves = np.random.default_rng(0).permutation(np.arange(len(values)) % 2)
    figures = []
    for truth in truths.values():
        predicted = np.empty_like(truth)
        for half in (0, 1):
            predicted[halves == half] = _means(
                bins[halves != half], truth[halves != half], bins[halves == half]
            )
        figures.append(_area(truth, predicted) if classifies else _explained(truth, predicted))
    if numbers is not None and not classifies:
        figures = [max(figures[0], _monotone(numbers, truths[""]))]
    only = _filled_for_one(values, truths) if classifies else ""
    return Shadow(str(values.name), float(np.mean(figures)), "ROC AUC" if classifies else "R² of ranks", only)


def _numbers(values: pd.Series) -> Floats | None:
    """Return *values*, numbers or dates, as floats, missing ones as NaN; None if they are neither."""
    if types.is_datetime64_any_dtype(values):
        moments = np.asarray(values.astype("int64"), dtype=np.float64)
        return np.where(values.isna(), np.nan, moments)
    if types.is_bool_dtype(values) or not types.is_numeric_dtype(values):
        return None
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def _bins(numbers: Floats) -> Codes:
    """Return the bin of each of *numbers*: by value if there are few, else by quantiles; missing ones are bin 0."""
    missing = np.isnan(numbers)
    distinct, most = np.unique(numbers[~missing]), int(np.clip(len(numbers) // 16, 4, BINS))
    if len(distinct) > most:
        distinct = np.unique(np.quantile(numbers[~missing], np.linspace(0, 1, most)[:-1]))
    return np.where(missing, 0, np.searchsorted(distinct, numbers) + 1)


def _monotone(numbers: Floats, ranks: Floats) -> float:
    """Return the square of Spearman's correlation of *numbers* and *ranks*; 0 if one is missing or all are equal."""
    if np.isnan(numbers).any() or len(np.unique(numbers)) < 2:
        return 0.0
    return float(np.corrcoef(rankdata(numbers), ranks)[0, 1] ** 2)


def _means(bins: Codes, truth: Floats, wanted: Codes) -> Floats:
    """Return the mean *truth* of each *wanted* bin among *bins*; of one that is not among them the mean of all."""
    size = int(max(bins.max(initial=0), wanted.max(initial=0))) + 1
    counts, sums = np.bincount(bins, minlength=size), np.bincount(bins, truth, minlength=size)
    mean = truth.mean() if len(truth) else 0.0
    return np.where(counts > 0, sums / np.maximum(counts, 1), mean)[wanted]


def _area(truth: Floats, predicted: Floats) -> float:
    """Return the area under the ROC curve by ranks (Hanley and McNeil 1982); 0.5 if there is one outcome only."""
    positive, count = truth.sum(), len(truth)
    if positive in {0, count}:
        return 0.5
    ranks = rankdata(predicted)[truth == 1].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * (count - positive)))


def _explained(truth: Floats, predicted: Floats) -> float:
    """Return the share of the variance of *truth* that *predicted* explains."""
    variance = float(((truth - truth.mean()) ** 2).sum()) if len(truth) else 0.0
    return 1 - float(((truth - predicted) ** 2).sum()) / variance if variance else 0.0


def _filled_for_one(values: pd.Series, truths: dict[str, Floats]) -> str:
    """Return in words that *values* are there, or missing, for one outcome alone and most of its rows; else nothing."""
    missing = values.isna().to_numpy()
    for words, chosen in (("is filled", ~missing), ("lacks a value", missing)):
        if not 20 <= chosen.sum() <= len(values) - 20:
            continue
        for label, truth in truths.items():
            for name, share, of_all in (
                (f"`{label}`", truth[chosen].mean(), truth),
                (f"other than `{label}`", 1 - truth[chosen].mean(), 1 - truth),
            ):
                covered = (of_all[chosen].sum() / of_all.sum()) if of_all.sum() else 0
                if share >= SHARE_OF_ONE_OUTCOME and covered >= 0.5 and of_all.mean() < 0.8:
                    return f"it {words} only if the target is {name}"
    return ""


def share_in_both(
    frame: pd.DataFrame, training: NDArray[np.intp], holdout: NDArray[np.intp], columns: Sequence[str]
) -> float:
    """Return the share of the rows of *frame* at *holdout* that are, in *columns*, equal to a row at *training*.

    Of many rows those are looked at whose value in one column has a low hash: equal rows stay together.
    """
    names = list(columns)
    if not names or not len(holdout):
        return 0.0
    rows = len(training) + len(holdout)
    if rows > SHARED_ROWS:
        few = frame.iloc[holdout[:1000]]
        finest = max(names, key=lambda name: few[name].map(repr).nunique())
        kept = _hash(frame[[finest]]) < 2.0**64 * SHARED_ROWS / rows
        training, holdout = (part[kept[part]] for part in (training, holdout))
    seen, asked = (_hash(frame.iloc[part][names]) for part in (training, holdout))
    return float(np.isin(asked, seen).mean()) if len(asked) else 0.0


def _hash(frame: pd.DataFrame) -> NDArray[np.uint64]:
    """Hash each row of *frame*; what has no hash, as a list, is taken as it is written."""
    columns: dict[Any, pd.Series] = {
        name: frame[name].map(repr) if types.is_object_dtype(frame[name]) else frame[name] for name in frame
    }
    hashes = pd.util.hash_pandas_object(pd.DataFrame(columns, index=frame.index), index=False)
    return np.asarray(hashes, dtype=np.uint64)


def later_share(values: pd.Series, events: pd.Series) -> float:
    """Return the share of the dates in *values*, as dates or as text, that are later than the row's own in *events*."""
    if isinstance(values.dtype, pd.CategoricalDtype):  # The parts of a Parquet folder: `month=2024-03`.
        values = values.astype(values.cat.categories.dtype)
    form = None if types.is_datetime64_any_dtype(values) else "ISO8601"
    times = pd.to_datetime(values, utc=True, errors="coerce", format=form)
    there = times.notna()
    if not there.any():
        return 0.0
    return float((times[there] > pd.to_datetime(events[there], utc=True)).mean())
