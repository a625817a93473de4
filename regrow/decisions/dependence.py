"""How columns depend on one another: what moved in no column by itself, such as a correlation that is gone.

Each column of numbers is its rank, each frequent category 1 or 0. Their correlations in the window are compared with
those in the reference, and with how far windows of the model's own past lie apart (`past`): the most unusual of all
pairs with the most unusual of all pairs, so that many columns raise no more false findings (Westfall and Young 1993).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from regrow.decisions.distances import Binned
from regrow.decisions.past import Past
from regrow.models.metrics import Codes, Floats
from regrow.project import DriftRule
from regrow.verdict import Finding, pass_if

CATEGORIES = 4
"""The most frequent categories of a column that are looked at."""
MOST_SCORES = 120
"""Ranks and categories that are looked at; of more those of the first columns."""
NAMED = 3
"""Pairs that a verdict names."""
PART = 0.5
"""The part of a look's level that this test has; the columns by themselves have the rest."""
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

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.names[0]} with {self.names[1]} {self.reference:+.2f}, now {self.window:+.2f}"


@dataclass(frozen=True)
class Changed:
    """The pairs whose correlation changed most for what is usual, the first foremost."""

    pairs: tuple[Pair, ...]
    doubt: float
    """How probable it is by chance that some pair changes as unusually as the first."""

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

    Wide tables: the ranks and categories of the first columns alone, see `MOST_SCORES`.
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
    change = norm.isf(np.maximum(student.sf(change, past.freedom), TINY))
    unusual = np.count_nonzero(np.max(np.abs(drawn) / spread, axis=1) >= change[order[0]])
    pairs = [
        Pair(
            (scores.names[left[place]], scores.names[right[place]]), float(whole[place]), float(served[place])
        )
        for place in order
        if place == order[0] or change[place] > 0
    ]
    return Changed(tuple(pairs), (1 + unusual) / (1 + len(drawn)))


def judge_dependence(changed: Changed | str, level: float, rows: int, rule: DriftRule) -> Finding:
    """Judge the correlations of *rows* served rows: one changed if it did by `rule.dependence`, and beyond chance."""
    figure = None
    if isinstance(changed, str):
        result, detail = "undecided", changed
    elif rows < rule.least_rows:
        result, detail = "undecided", f"{rows} of {rule.least_rows} rows"
    else:
        figure, result = changed.figure, pass_if(changed.doubt > level)
        named = "; ".join(map(str, changed.pairs))
        detail = (
            f"correlations that changed: {named}"
            if result == "fail"
            else "no correlation changed beyond chance"
        )
    return Finding(
        rule=f"no correlation changes by {rule.dependence:g}",
        subject="drift",
        result=result,
        figure=figure,
        limit=rule.dependence,
        rows=rows,
        noted=not rule.alarm,
        detail=detail,
    )


def _score(columns: Mapping[str, Binned]) -> _Scores:
    """Return the ranks and categories of *columns* that vary on both sides."""
    names, of, sides = list[str](), list[int](), (list[Floats](), list[Floats]())
    for number, (name, binned) in enumerate(columns.items()):
        for label, values in _values(name, binned):
            found = values[binned.reference], values[binned.window]
            if len(names) < MOST_SCORES and all(len(side) and np.ptp(side) > 0 for side in found):
                names.append(label)
                of.append(number)
                for side, score in zip(sides, found, strict=True):
                    side.append(score)
    reference, window = (np.column_stack(side) if side else np.empty((0, 0)) for side in sides)
    return _Scores(names, np.array(of, dtype=np.int64), reference, window)


def _values(name: str, binned: Binned) -> list[tuple[str, Floats]]:
    """Return the scores of a column, each by its name and with its value for each bin."""
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
    """Return by how much each pair's correlation changes in windows that are drawn from the past, by Fisher's z.

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
