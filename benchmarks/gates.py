"""Measure how often the gates promote a challenger that is no better, by unit and by row, on three tables.

Usage: OMP_NUM_THREADS=1 python benchmarks/gates.py [runs [methods]]
(default: 400 of each pair of models, some minutes; methods: the gate's interval beside others, of days alone)

Models are fitted once. A run draws a holdout of whole units from those that no model was trained on: units at random
(exchangeable), or in a row (contiguous). A challenger is *no better* if the margin is its true gain, the one over all
units that a holdout may be drawn from; it is better by so much if the margin lies so much below. Predictions are
rounded to 256 steps, so that sums by unit hold all that the area under the ROC curve needs.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from real_tables import WEATHER, read_changes, read_doctors, read_flights
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from regrow.decisions.estimates import Estimate, estimate
from regrow.decisions.units import Units, number
from regrow.models.fitting import fit_pipeline
from regrow.project import Unit

Floats = NDArray[np.float64]
STEPS = 256
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Holdout:
    """What a holdout of some units shows of a challenger's gain."""

    gain: float
    pulls: Floats
    """By unit."""
    alone: float
    """Variance of the gain if each row were independent."""
    sizes: Floats


@dataclass(frozen=True)
class Table:
    """Rows that no model saw, in units, and what pairs of champion and challenger predict of them."""

    name: str
    unit: Unit
    target: Floats
    units: NDArray[np.int64]
    predictions: dict[str, Floats]
    pairs: tuple[tuple[str, str], ...]
    holdouts: tuple[int, ...]
    better: tuple[float, ...]
    """True gains for which the power is measured."""

    def prepare(self, pair: tuple[str, str]) -> Callable[[NDArray[np.int64]], Holdout]:
        """Return what draws a holdout of given units, for one *pair* of models."""
        return self._of_ranks(pair) if set(np.unique(self.target)) == {0.0, 1.0} else self._of_errors(pair)

    def _of_errors(self, pair: tuple[str, str]) -> Callable[[NDArray[np.int64]], Holdout]:
        """Return the gain of the mean absolute error."""
        old, new = (np.abs(self.predictions[name] - self.target) for name in pair)
        sizes, sums, squares = (
            np.bincount(self.units, value) for value in (np.ones(len(old)), old - new, (old - new) ** 2)
        )

        def draw(units: NDArray[np.int64]) -> Holdout:
            rows, total = sizes[units], sizes[units].sum()
            mean = sums[units].sum() / total
            alone = (squares[units].sum() / total - mean**2) / total
            return Holdout(mean, (sums[units] - rows * mean) / total, alone, rows.astype(np.float64))

        return draw

    def _of_ranks(self, pair: tuple[str, str]) -> Callable[[NDArray[np.int64]], Holdout]:
        """Return the gain of the area under the ROC curve."""
        positive, count = self.target == 1, int(self.units.max()) + 1
        steps = [
            np.searchsorted(np.quantile(each, np.linspace(0, 1, STEPS + 1)[1:-1]), each)
            for each in (self.predictions[name] for name in pair)
        ]
        tables = [
            [
                np.bincount(self.units[of] * STEPS + step[of], minlength=count * STEPS).reshape(count, STEPS)
                for of in (positive, ~positive)
            ]
            for step in steps
        ]
        by_unit = np.split(np.argsort(self.units, kind="stable"), np.cumsum(np.bincount(self.units))[:-1])

        def draw(units: NDArray[np.int64]) -> Holdout:
            areas, scores = [], []
            for above, below in tables:
                ups, downs = above[units].sum(axis=0), below[units].sum(axis=0)
                beaten = (np.cumsum(downs) - downs / 2) / downs.sum()
                lost = 1 - (np.cumsum(ups) - ups / 2) / ups.sum()
                area = float(ups @ beaten / ups.sum())
                areas.append(area)
                scores.append(((beaten - area) / ups.sum(), (lost - area) / downs.sum()))
            pulled = [
                table[0][units] @ score[0] + table[1][units] @ score[1]
                for table, score in zip(tables, scores, strict=True)
            ]
            rows = np.concatenate([by_unit[unit] for unit in units])
            single = [
                np.where(positive[rows], score[0][step[rows]], score[1][step[rows]])
                for step, score in zip(steps, scores, strict=True)
            ]
            alone = float(np.sum((single[1] - single[0]) ** 2))
            sizes = np.array([len(by_unit[unit]) for unit in units], dtype=np.float64)
            return Holdout(areas[1] - areas[0], pulled[1] - pulled[0], alone, sizes)

        return draw


def judge(table: Table, seen: Holdout) -> tuple[float, float]:
    """Return the lower bounds of the gain by unit and by row, relative to the gain: how much each leaves room."""
    blocks = Units(np.arange(len(seen.pulls)), table.unit).blocks()
    return radius_of(seen, blocks), float(norm.ppf(CONFIDENCE) * np.sqrt(seen.alone))


def radius_of(seen: Holdout, drawn: Units) -> float:
    """Return how far below the gain its bound lies if the units of *seen* are joined to those of *drawn*."""
    pulled, sizes = np.bincount(drawn.codes, seen.pulls), np.bincount(drawn.codes, seen.sizes)
    error = np.sqrt(np.sum(pulled**2) * len(pulled) / (len(pulled) - 1))
    freedom = sizes.sum() ** 2 / np.sum(sizes**2) - 1
    found = Estimate(seen.gain, float(error), float(freedom), int(seen.sizes.sum()), drawn, 0.0)
    return found.radius(CONFIDENCE)


def days_of(seen: Holdout) -> Units:
    """Return the days of *seen*, each by itself."""
    return Units(np.arange(len(seen.pulls)), "day")


def eight_groups(seen: Holdout) -> float:
    """Return the radius of eight groups of days in a row (Ibragimov and Müller 2010)."""
    return radius_of(seen, Units(np.arange(len(seen.pulls)) * 8 // len(seen.pulls), "day"))


def inflated(seen: Holdout) -> float:
    """Return that of single days, widened as a first-order autoregression of the days asks, and never narrowed."""
    pulls = seen.pulls
    alike = min(float(pulls[1:] @ pulls[:-1] / (pulls @ pulls)), 0.99)
    return radius_of(seen, days_of(seen)) * float(np.sqrt(max(1.0, (1 + alike) / (1 - alike))))


def cosines(seen: Holdout) -> float:
    """Return that of the first 0.4 n^(2/3) cosines of the days (Lazarus et al. 2018), which are its freedom."""
    count = len(seen.pulls)
    number = max(1, round(0.4 * count ** (2 / 3)))
    waves = np.cos(np.pi * np.outer(np.arange(1, number + 1), np.arange(count) + 0.5) / count)
    return float(student.ppf(CONFIDENCE, number) * np.sqrt(np.mean(2 * (waves @ seen.pulls) ** 2)))


METHODS: dict[str, Callable[[Holdout], float]] = {
    "t over single days": lambda seen: radius_of(seen, days_of(seen)),
    "eight groups of days, t [4]": eight_groups,
    "**blocks of n^(1/3) days, t**": lambda seen: radius_of(seen, days_of(seen).blocks()),
    "single days, inflated by their autocorrelation": inflated,
    "equal-weighted cosines [5]": cosines,
}


def check(table: Table) -> None:
    """Raise `AssertionError` if the sums by unit do not give what the gate's own estimate of the rows gives."""
    pair, count = table.pairs[0], table.holdouts[1]
    chosen = np.arange(count)
    seen, rows = table.prepare(pair)(chosen), table.units < count
    binary = set(np.unique(table.target)) == {0.0, 1.0}
    sides = [table.predictions[name][rows] for name in pair]
    sides = [np.column_stack([1 - side, side]) for side in sides] if binary else sides
    units = Units(number(table.units[rows]), table.unit)
    metric, classes = ("roc_auc", (0, 1)) if binary else ("mae", ())
    found = estimate(metric, table.target[rows], sides, classes, units)
    assert isinstance(found, Estimate)  # noqa: S101
    np.testing.assert_allclose(abs(found.figure), abs(seen.gain), rtol=0.05, atol=1e-4)
    np.testing.assert_allclose(found.radius(CONFIDENCE), judge(table, seen)[0], rtol=0.05)


def flights() -> Table:
    """Return the flights of June to December 2013, by day; models of earlier months, some with more of them."""
    read = read_flights()
    features, times, late = read.features, read.times, read.late
    month = times.dt.month
    unseen = (month >= 6).to_numpy()
    windows = {"Jan-Mar": (1, 3), "Feb-Apr": (2, 4), "Mar-May": (3, 5), "Jan-May": (1, 5)}
    predictions: dict[str, Floats] = {}
    for name, (first, last) in windows.items():
        known = month.between(first, last)
        model, _ = fit_pipeline(read.project.training, features[known], late[known])
        predictions[name] = model.predict_proba(features[unseen])[:, 1]
    days = number(times[unseen].dt.floor("D").astype("int64").to_numpy())
    pairs = (*pairwise(windows), ("Jan-Mar", "Mar-May"), ("Jan-Mar", "Jan-May"))
    return Table("flights late (roc_auc)", "day", late[unseen].to_numpy(np.float64), days, predictions, pairs,
                 (10, 18, 30, 60), (0.01, 0.02, 0.05))  # fmt: skip


def weather() -> Table:
    """Return by how much the temperature of New York's airports changes in 12 hours, from the 11th of each month on."""
    rows = read_changes()
    features = rows[WEATHER]
    day, change = rows["time_hour"].dt.day, rows["change"].to_numpy()
    unseen = (day > 10).to_numpy()
    predictions: dict[str, Floats] = {}
    models: dict[str, tuple[int, Any]] = {
        "ridge, 5 days a month": (5, make_pipeline(SimpleImputer(), StandardScaler(), Ridge())),
        "ridge, 10 days": (10, make_pipeline(SimpleImputer(), StandardScaler(), Ridge())),
        "trees, 5 days": (5, HistGradientBoostingRegressor(min_samples_leaf=50)),
        "trees, 10 days": (10, HistGradientBoostingRegressor(min_samples_leaf=50)),
        "few trees, 10 days": (10, HistGradientBoostingRegressor(max_iter=30, min_samples_leaf=50)),
    }
    for name, (last, model) in models.items():
        known = (day <= last).to_numpy()
        predictions[name] = model.fit(features[known], change[known]).predict(features[unseen])
    days = number(rows["time_hour"][unseen].dt.floor("D").astype("int64").to_numpy())
    return Table("change of temperature (mae)", "day", change[unseen], days, predictions,
                 tuple(pairwise(predictions)), (10, 18, 30, 60), (0.1, 0.2, 0.5))  # fmt: skip


def doctors() -> Table:
    """Return whether a person of the RAND experiment sees a doctor in a year, by household; half of them are unseen."""
    features, sees, household = read_doctors()
    held = np.random.default_rng(0).random(household.max() + 1) < 0.5
    unseen = held[household]
    half = ~unseen & (household % 2 == 0)
    predictions: dict[str, Floats] = {}
    models: dict[str, tuple[NDArray[np.bool_], Any]] = {
        "logistic, a quarter": (half, make_pipeline(StandardScaler(), LogisticRegression())),
        "logistic, a half": (~unseen, make_pipeline(StandardScaler(), LogisticRegression())),
        "trees, a quarter": (half, HistGradientBoostingClassifier(max_iter=50)),
        "trees, a half": (~unseen, HistGradientBoostingClassifier(max_iter=50)),
    }
    for name, (known, model) in models.items():
        predictions[name] = model.fit(features[known], sees[known]).predict_proba(features[unseen])[:, 1]
    return Table("doctor visits (roc_auc)", "entity", sees[unseen].astype(np.float64), number(household[unseen]),
                 predictions, tuple(pairwise(predictions)), (10, 30, 100, 300), (0.01, 0.02, 0.05))  # fmt: skip


def draws_of(table: Table, count: int, runs: int, contiguous: bool) -> Iterator[tuple[int, float, Holdout]]:
    """Yield *runs* holdouts of *count* units for each pair: its place, and how far the gain lies above the true one."""
    random = np.random.default_rng([count, contiguous])
    there = int(table.units.max()) + 1
    for place, pair in enumerate(table.pairs):
        draw = table.prepare(pair)
        true = draw(np.arange(there)).gain
        for _ in range(runs):
            start = random.integers(there + 1 - count)
            units = np.arange(start, start + count) if contiguous else random.integers(there, size=count)
            seen = draw(units)
            yield place, seen.gain - true, seen


def runs_of(table: Table, count: int, runs: int, contiguous: bool) -> tuple[list[Floats], Floats]:
    """Return how far each gain lies above the true one and both radii, a row a run, for each pair; and their worths."""
    found: list[list[tuple[float, ...]]] = [[] for _ in table.pairs]
    worth: list[float] = []
    for place, luck, seen in draws_of(table, count, runs, contiguous):
        found[place].append((luck, *judge(table, seen)))
        worth.append(seen.alone / float(np.sum(seen.pulls**2)))
    return [np.array(rows) for rows in found], np.array(worth)


def share(found: list[Floats], which: int, better: float = 0.0) -> tuple[float, float]:
    """Return in how many runs the gate *which* (1: by unit, 2: by row) promotes, in all and of the worst pair."""
    shares = [float(np.mean(rows[:, 0] + better > rows[:, which])) for rows in found]
    return float(np.mean(shares)), max(shares)


def write(table: Table, runs: int) -> None:
    """Print the lines of *table*."""
    ways = [False] if table.unit == "entity" else [False, True]
    for contiguous in ways:
        for count in table.holdouts:
            found, worth = runs_of(table, count, runs, contiguous)
            (unit, worst), (row, _) = share(found, 1), share(found, 2)
            power = " | ".join(f"{share(found, 1, better)[0]:.0%}" for better in table.better)
            least = np.mean([np.mean(rows[:, 1]) for rows in found])
            way = "contiguous" if contiguous else "exchangeable"
            rates = f"{unit:.1%} ({worst:.1%}) | {row:.1%} | 1/{1 / np.median(worth):.0f}"
            print(f"| {table.name} | {way} | {count} | {rates} | {least:.4f} | {power} |", flush=True)


def write_methods(tables: tuple[Table, ...], runs: int) -> None:
    """Print in how many runs each of `METHODS` promotes a challenger that is no better, and how wide it is."""
    places = [(table, count) for table in tables for count in (18, 60)]
    shares: dict[tuple[int, bool], Floats] = {}
    widths: dict[int, list[Floats]] = {18: [], 60: []}
    for place, (table, count) in enumerate(places):
        for contiguous in (False, True):
            drawn = list(draws_of(table, count, runs, contiguous))
            lucks = np.array([luck for _, luck, _ in drawn])
            radii = np.array([[method(seen) for method in METHODS.values()] for _, _, seen in drawn])
            shares[place, contiguous] = np.mean(lucks[:, None] > radii, axis=0)
            if not contiguous:
                widths[count].append(radii.mean(axis=0) / radii[:, 0].mean())
    heads = " | ".join(f"{table.name}, {count} days" for table, count in places)
    print(f"| method | {heads} | width, 18 and 60 days |")
    print("|---|" + "---|" * (len(places) + 1))
    for which, name in enumerate(METHODS):
        cells = " | ".join(
            f"{shares[place, False][which]:.1%} \\| {shares[place, True][which]:.1%}"
            for place in range(len(places))
        )
        width = ", ".join(f"{np.mean([each[which] for each in widths[count]]):.2f}" for count in widths)
        print(f"| {name} | {cells} | {width} |")


def main() -> None:
    """Print the tables of docs/decisions.md."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    if sys.argv[2:] == ["methods"]:
        write_methods((flights(), weather()), runs)
        return
    print(
        "| table | drawn | units | no better: by unit (worst pair) | by row | worth of a row | least gain | power |||"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for make in (flights, weather, doctors):
        table = make()
        check(table)
        write(table, runs)


if __name__ == "__main__":
    main()
