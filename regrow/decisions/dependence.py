"""How columns depend on one another: what moved in no column by itself, such as a correlation that is gone.

Each column of numbers is its rank, each frequent category 1 or 0. Their correlations in the window are compared with
those in the reference, and with how far windows of the model's own past lie apart (`past`): the most unusual of all
pairs with the most unusual of all pairs, so that many columns raise no more false findings (Westfall and Young 1993).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import gumbel_r, norm
from scipy.stats import t as student

from regrow.base.verdict import Finding, pass_if
from regrow.decisions.distances import Binned
from regrow.decisions.drift import too_few
from regrow.decisions.past import Past
from regrow.decisions.units import Units, unit_fields
from regrow.models.metrics import Codes, Floats
from regrow.project import DriftRule

CATEGORIES = 4
"""The most frequent categories of a column that are looked at."""
MOST_SCORES = 120
"""Ranks and categories that are looked at: one of each column first."""
NAMED = 3
"""Pairs that a verdict names."""
PART = 0.5
"""The part of a look's level that this test has, if it is asked for; the columns by themselves have the rest."""
TINY = 1e-300
MOST = 0.9999
"""Correlation beyond which Fisher's z is cut off."""
SLICES = 10
"""Parts in which drawn windows are compared, for they take memory."""


@dataclass(frozen=True)
class Pair:
    """Two columns, or categories of them, and their correlation on both sides."""

    names: tuple[str, str]
    reference: float
    window: float
    doubt: float
    """How probable it is by chance that some pair changes as unusually as this one."""

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.names[0]} with {self.names[1]} {self.reference:+.2f}, now {self.window:+.2f}"


@dataclass(frozen=True)
class Changed:
    """The pairs whose correlation changed most for what is usual, the first foremost."""

    pairs: tuple[Pair, ...]
    columns: tuple[int, int]
    """How many columns were compared, and how many there are."""

    @property
    def doubt(self) -> float:
        """How probable it is by chance that some pair changes as unusually as the first."""
        return self.pairs[0].doubt

    @property
    def figure(self) -> float:
        """By how much the correlation of the first pair changed."""
        return abs(self.pairs[0].window - self.pairs[0].reference)


@dataclass(frozen=True)
class _Scores:
    """Numbers that stand for the columns, on both sides: `(rows, scores)`."""

    names: list[str]
    columns: Codes
    """The number of the column that each score is of."""
    reference: Floats
    window: Floats


def compare_dependence(columns: Mapping[str, Binned], past: Past, least: float) -> Changed | str:
    """Return which correlations between *columns* changed, by *least* or more; in words what is missing to tell it.

    Of very many columns the first are compared, see `MOST_SCORES`.
    """
    if past.obstacle:
        return past.obstacle
    scores = _score(columns)
    left, right = np.triu_indices(len(scores.names), k=1)
    apart = scores.columns[left] != scores.columns[right]
    left, right = left[apart], right[apart]
    if not len(left):
        return "fewer than two columns vary"
    whole, served = (
        _correlate(_moments(side)[None], left, right)[0] for side in (scores.reference, scores.window)
    )
    drawn = _draw(scores, past, left, right)
    spread = np.maximum(drawn.std(axis=0, ddof=1), 1e-9)
    change = np.abs(np.arctanh(served) - np.arctanh(whole)) / spread
    change = np.where(np.abs(served - whole) >= least, change, 0.0)
    order = np.argsort(-change, kind="stable")[:NAMED]
    # The drawn spread is that of so few runs of units: the served change is Student's, the drawn ones nearly normal.
    unusual = norm.isf(np.maximum(student.sf(change[order], past.freedom()), TINY))
    doubts = _doubts(unusual, np.max(np.abs(drawn) / spread, axis=1))
    pairs = (
        Pair((scores.names[left[at]], scores.names[right[at]]), float(whole[at]), float(served[at]), doubt)
        for at, doubt in zip(order, doubts, strict=True)
    )
    return Changed(tuple(pairs), (len(np.unique(scores.columns)), len(columns)))


def _doubts(unusual: Floats, drawn: Floats) -> list[float]:
    """Return how probable each of *unusual* is as the greatest of all pairs, by what was *drawn*.

    Beyond the drawn ones the tail goes on as Gumbel's, the limit of a maximum, with their mean and spread.
    """
    scale = float(drawn.std(ddof=1)) * np.sqrt(6) / np.pi
    tail = gumbel_r.sf(unusual, loc=float(drawn.mean()) - np.euler_gamma * scale, scale=max(scale, 1e-9))
    return [
        max(float(np.mean(drawn >= each)), float(beyond)) for each, beyond in zip(unusual, tail, strict=True)
    ]


def level_of_columns(rule: DriftRule, level: float) -> float:
    """Return what the columns by themselves have of a look's *level*."""
    return level if rule.dependence is None else level * (1 - PART)


def judge_dependence(
    changed: Changed | str, level: float, rows: int, rule: DriftRule, units: Units | None = None
) -> Finding:
    """Judge the correlations of *rows* served rows, which lie on *units*.

    One changed if it did by `rule.dependence`, and beyond chance.
    """
    figure = None
    if isinstance(changed, str):
        result, detail = "undecided", changed
    elif rows < rule.least_rows:
        result, detail = "undecided", too_few(rows, rule)
    else:
        figure, result = changed.figure, pass_if(changed.doubt > level)
        proven = "; ".join(str(pair) for pair in changed.pairs if pair.doubt <= level)
        detail = f"correlations that changed: {proven}" if proven else "no correlation changed beyond chance"
        looked, whole = changed.columns
        detail += f" (of the first {looked} of {whole} columns)" if looked < whole else ""
    return Finding(
        rule=f"no correlation changes by {rule.dependence:g}",
        subject="drift",
        result=result,
        figure=figure,
        limit=rule.dependence,
        rows=rows,
        noted=not rule.alarm,
        detail=detail,
        **unit_fields(units),
    )


def _score(columns: Mapping[str, Binned]) -> _Scores:
    """Return the ranks and categories of *columns* that vary on both sides: of each the first one before any second."""
    found = list[tuple[int, int, str, Floats, Floats]]()
    for number, (name, binned) in enumerate(columns.items()):
        for place, (label, values) in enumerate(_values(name, binned)):
            sides = values[binned.reference], values[binned.window]
            if all(len(side) and np.ptp(side) > 0 for side in sides):
                found.append((place, number, label, *sides))
    kept = sorted(found, key=lambda each: each[:2])[:MOST_SCORES]
    sides = (np.column_stack([each[side] for each in kept]) if kept else np.empty((0, 0)) for side in (3, 4))
    return _Scores([each[2] for each in kept], np.array([each[1] for each in kept], dtype=np.int64), *sides)


def _values(name: str, binned: Binned) -> list[tuple[str, Floats]]:
    """Return the scores of a column, each by its name and with its value for each bin, `(bins,)`."""
    counts, bins = np.bincount(binned.reference, minlength=binned.bins.count), binned.bins
    if bins.edges is None:
        frequent = [place for place in np.argsort(-counts, kind="stable") if counts[place]][:CATEGORIES]
        frequent = frequent[:1] if np.count_nonzero(counts) == 2 else frequent
        labels = [*bins.names, "rare or new", "missing"]
        return [(f"{name} = {labels[place]}", np.eye(bins.count)[place]) for place in frequent]
    known = counts[:-1]
    ranks = (np.cumsum(known) - known / 2) / max(known.sum(), 1)
    return [(name, np.append(ranks, 0.5))]


def _draw(scores: _Scores, past: Past, left: Codes, right: Codes) -> Floats:
    """Return by how much each pair's correlation changes in drawn windows, `(draws, pairs)`, by Fisher's z.

    A drawn window that has more rows than the served one is made as uncertain as that is.
    """
    chosen, pieces, count = past.windows
    moments = np.stack([_moments(scores.reference[pieces == piece]) for piece in range(count)])
    total, random, drawn = moments.sum(axis=0), np.random.default_rng(0), list[Floats]()
    for part in np.array_split(chosen, SLICES):
        inside = np.tensordot(part, moments, axes=1)
        change = np.subtract(
            *(np.arctanh(_correlate(side, left, right)) for side in (inside, total - inside))
        )
        rows = np.maximum(inside[:, -1, -1], 1)
        more = np.maximum(1 / max(len(scores.window), 1) - 1 / rows, 0)
        drawn.append(change + random.normal(size=change.shape) * np.sqrt(more)[:, None])
    return np.concatenate(drawn)


def _moments(scores: Floats) -> Floats:
    """Return the sums of all products of two scores, `(scores + 1, scores + 1)`; the last one of each row is 1."""
    one = np.column_stack([scores, np.ones(len(scores))])
    return one.T @ one


def _correlate(moments: Floats, left: Codes, right: Codes) -> Floats:
    """Return each pair's correlation by *moments* `(windows, scores + 1, scores + 1)`; 0 if a score is constant."""
    rows = np.maximum(moments[:, -1:, -1], 1)
    means = moments[:, :-1, -1] / rows
    variances = np.maximum(np.einsum("kii->ki", moments)[:, :-1] / rows - means**2, 0)
    product = moments[:, left, right] / rows - means[:, left] * means[:, right]
    scale = np.sqrt(variances[:, left] * variances[:, right])
    found = np.divide(product, scale, out=np.zeros_like(product), where=scale > 1e-12)
    return np.clip(found, -MOST, MOST)
