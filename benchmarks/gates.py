"""Measure how often the gates promote a challenger that is no better, by unit and by row, on three tables.

Usage: OMP_NUM_THREADS=1 python benchmarks/gates.py [runs [methods]]
(default: 1000 of each pair of models, some minutes; methods: the gate's interval beside others, of days alone)

Models are fitted once. A run draws a holdout of whole units from those that no model was trained on: units at random
(exchangeable), or in a row (contiguous). A challenger is *no better* if the margin is its true gain, the one over all
units that a holdout may be drawn from; it is better by so much if the margin lies so much below. A holdout of which the
gate would say that it is too small is undecided: it promotes nobody. Predictions are rounded to 256 steps, so that sums
by unit hold all that the area under the ROC curve needs.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from real_tables import WEATHER, day_codes, places_of, read_changes, read_doctors, read_flights
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from regrow.decisions.estimates import LEAST_EVEN, Estimate, estimate, variance_of
from regrow.decisions.units import Units, number
from regrow.models.fitting import fit_pipeline
from regrow.project import Metric, Unit
from regrow.project.monitoring import LEAST_UNITS

Floats = NDArray[np.float64]
STEPS = 256
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Holdout:
    """What a holdout of some units shows of a model, or of what a challenger gains over a champion."""

    figure: float
    pulls: Floats
    """By unit."""
    sizes: Floats
    alone: Callable[[], float]
    """Variance of the figure if each row were independent."""
    classes: int = LEAST_UNITS
    """Units that have the rarest class."""

    @property
    def telling(self) -> bool:
        """Whether it is large enough for an interval (`what_is_missing` of `regrow/decisions/estimates.py`)."""
        even = self.sizes.sum() ** 2 / np.sum(self.sizes**2)
        return len(self.sizes) >= LEAST_UNITS <= self.classes and even >= LEAST_EVEN

    def estimate(self, unit: Unit) -> Estimate:
        """Return the estimate that a gate or a look makes of it."""
        return self.joined(Units(np.arange(len(self.pulls)), unit).blocks())

    def joined(self, drawn: Units) -> Estimate:
        """Return the estimate that joins its units to those of *drawn*."""
        pulled, sizes = (
            np.bincount(drawn.codes, each).astype(np.float64) for each in (self.pulls, self.sizes)
        )
        error = float(np.sqrt(variance_of(pulled)))
        freedom = float(sizes.sum() ** 2 / np.sum(sizes**2) - 1)
        return Estimate(self.figure, error, freedom, int(self.sizes.sum()), drawn, 0.0)


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

    @property
    def binary(self) -> bool:
        """Whether the metric is the area under the ROC curve; else it is the mean absolute error."""
        return set(np.unique(self.target)) == {0.0, 1.0}

    @property
    def metric(self) -> Metric:
        """What the models are judged by."""
        return "roc_auc" if self.binary else "mae"

    @property
    def classes(self) -> tuple[int, ...]:
        """Those of the target; none of a number."""
        return (0, 1) if self.binary else ()

    def answers(self, names: tuple[str, ...], rows: NDArray[Any]) -> list[Floats]:
        """Return what each of the models *names* answers to *rows*: a column a class, or a number."""
        sides = [self.predictions[name][rows] for name in names]
        return [np.column_stack([1 - side, side]) for side in sides] if self.binary else sides

    def prepare(self, names: tuple[str, ...]) -> Callable[[NDArray[np.int64]], Holdout]:
        """Return what draws a holdout of given units: for one model, or what the second of two gains over the first."""
        return self._of_ranks(names) if self.binary else self._of_errors(names)

    def _of_errors(self, names: tuple[str, ...]) -> Callable[[NDArray[np.int64]], Holdout]:
        """Return the mean absolute error, of two models by how much it falls."""
        errors = [np.abs(self.predictions[name] - self.target) for name in names]
        values = errors[0] - errors[1] if len(errors) == 2 else errors[0]
        sizes, sums, squares = (
            np.bincount(self.units, value).astype(np.float64)
            for value in (np.ones(len(values)), values, values**2)
        )

        def draw(units: NDArray[np.int64]) -> Holdout:
            rows, total = sizes[units], sizes[units].sum()
            mean = sums[units].sum() / total

            def alone() -> float:
                return (squares[units].sum() / total - mean**2) / total

            return Holdout(mean, (sums[units] - rows * mean) / total, rows, alone)

        return draw

    def _of_ranks(self, names: tuple[str, ...]) -> Callable[[NDArray[np.int64]], Holdout]:
        """Return the area under the ROC curve, of two models by how much it rises."""
        positive, count = self.target == 1, int(self.units.max()) + 1
        steps = [
            np.searchsorted(np.quantile(each, np.linspace(0, 1, STEPS + 1)[1:-1]), each)
            for each in (self.predictions[name] for name in names)
        ]
        tables = [
            [
                np.bincount(self.units[of] * STEPS + step[of], minlength=count * STEPS).reshape(count, STEPS)
                for of in (positive, ~positive)
            ]
            for step in steps
        ]
        by_unit = places_of(self.units)
        of_class = np.array([np.bincount(self.units[of], minlength=count) for of in (positive, ~positive)])

        def draw(units: NDArray[np.int64]) -> Holdout:
            figure, pulled, scores = 0.0, np.zeros(len(units)), []
            for above, below in ([side[units] for side in table] for table in tables):
                ups, downs = above.sum(axis=0), below.sum(axis=0)
                beaten = (np.cumsum(downs) - downs / 2) / max(downs.sum(), 1)
                lost = 1 - (np.cumsum(ups) - ups / 2) / max(ups.sum(), 1)
                area = float(ups @ beaten / max(ups.sum(), 1))
                scores.append(((beaten - area) / max(ups.sum(), 1), (lost - area) / max(downs.sum(), 1)))
                figure, pulled = area - figure, above @ scores[-1][0] + below @ scores[-1][1] - pulled

            def alone() -> float:
                rows, single = np.concatenate([by_unit[unit] for unit in units]), np.zeros(1)
                for step, (up, down) in zip(steps, scores, strict=True):
                    single = np.where(positive[rows], up[step[rows]], down[step[rows]]) - single
                return float(np.sum(single**2))

            held = of_class[:, units]
            rarest = int(np.count_nonzero(held, axis=1).min())
            return Holdout(figure, pulled, held.sum(axis=0).astype(np.float64), alone, rarest)

        return draw


def judge(table: Table, seen: Holdout) -> tuple[float, float]:
    """Return how far below the gain its lower bounds lie, by unit (infinitely if that is undecided) and by row."""
    by_unit = seen.estimate(table.unit).radius(CONFIDENCE) if seen.telling else np.inf
    return by_unit, float(norm.ppf(CONFIDENCE) * np.sqrt(seen.alone()))


def radius_of(seen: Holdout, drawn: Units) -> float:
    """Return how far below the gain its bound lies if the units of *seen* are joined to those of *drawn*."""
    return seen.joined(drawn).radius(CONFIDENCE)


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
    units = Units(number(table.units[rows]), table.unit)
    found = estimate(table.metric, table.target[rows], table.answers(pair, rows), table.classes, units)
    assert isinstance(found, Estimate)  # noqa: S101
    np.testing.assert_allclose(abs(found.figure), abs(seen.figure), rtol=0.05, atol=1e-4)
    np.testing.assert_allclose(found.radius(CONFIDENCE), judge(table, seen)[0], rtol=0.05)


WINDOWS = {"Jan-Mar": (1, 3), "Feb-Apr": (2, 4), "Mar-May": (3, 5), "Jan-May": (1, 5)}
"""Months that the flights' models are fitted on."""
PAIRS = (*pairwise(WINDOWS), ("Jan-Mar", "Mar-May"), ("Jan-Mar", "Jan-May"))


def flights(windows: dict[str, tuple[int, int]] = WINDOWS, shuffled: tuple[str, ...] = ()) -> Table:
    """Return the flights of June to December 2013, by day; models of earlier months, some with more of them.

    *shuffled* ones are fitted once more, on labels in random order.
    """
    read = read_flights()
    features, times, late = read.features, read.times, read.late
    month, random = times.dt.month, np.random.default_rng(0)
    unseen = (month >= 6).to_numpy()
    predictions: dict[str, Floats] = {}
    for name in (*windows, *shuffled):
        known, told = month.between(*windows[name]), name
        target = late[known]
        if name in predictions:
            told = f"shuffled, {name}"
            target = target.sample(frac=1, random_state=random.integers(2**31)).set_axis(target.index)
        model, _ = fit_pipeline(read.project.training, features[known], target)
        predictions[told] = model.predict_proba(features[unseen])[:, 1]
    target = late[unseen].to_numpy(np.float64)
    return Table("flights late (roc_auc)", "day", target, day_codes(times[unseen]), predictions, PAIRS,
                 (10, 18, 30, 60), (0.01, 0.02, 0.05))  # fmt: skip


def weather(shuffled: tuple[str, ...] = ()) -> Table:
    """Return by how much the temperature of New York's airports changes in 12 hours, from the 11th of each month on."""
    rows = read_changes()
    features = rows[WEATHER]
    day, change = rows["time_hour"].dt.day, rows["change"].to_numpy()
    unseen = (day > 10).to_numpy()
    ridge = make_pipeline(SimpleImputer(), StandardScaler(), Ridge())
    models: dict[str, tuple[int, Any]] = {
        "ridge, 5 days a month": (5, ridge),
        "ridge, 10 days": (10, ridge),
        "trees, 5 days": (5, HistGradientBoostingRegressor(min_samples_leaf=50)),
        "trees, 10 days": (10, HistGradientBoostingRegressor(min_samples_leaf=50)),
        "few trees, 10 days": (10, HistGradientBoostingRegressor(max_iter=30, min_samples_leaf=50)),
    }
    asked = {name: ((day <= last).to_numpy(), model) for name, (last, model) in models.items()}
    predictions = fit_all(asked, features, change, unseen, shuffled)
    days = day_codes(rows["time_hour"][unseen])
    return Table("change of temperature (mae)", "day", change[unseen], days, predictions,
                 tuple(pairwise(models)), (10, 18, 30, 60), (0.1, 0.2, 0.5))  # fmt: skip


def doctors(shuffled: tuple[str, ...] = ()) -> Table:
    """Return whether a person of the RAND experiment sees a doctor in a year, by household; half of them are unseen."""
    features, sees, household = read_doctors()
    held = np.random.default_rng(0).random(household.max() + 1) < 0.5
    unseen = held[household]
    half = ~unseen & (household % 2 == 0)
    models: dict[str, tuple[NDArray[np.bool_], Any]] = {
        "logistic, a quarter": (half, make_pipeline(StandardScaler(), LogisticRegression())),
        "logistic, a half": (~unseen, make_pipeline(StandardScaler(), LogisticRegression())),
        "trees, a quarter": (half, HistGradientBoostingClassifier(max_iter=50)),
        "trees, a half": (~unseen, HistGradientBoostingClassifier(max_iter=50)),
    }
    predictions = fit_all(models, features, sees, unseen, shuffled)
    return Table("doctor visits (roc_auc)", "entity", sees[unseen].astype(np.float64), number(household[unseen]),
                 predictions, tuple(pairwise(models)), (10, 30, 100, 300), (0.01, 0.02, 0.05))  # fmt: skip


def fit_all(
    models: dict[str, tuple[NDArray[np.bool_], Any]],
    features: pd.DataFrame,
    target: NDArray[Any],
    unseen: NDArray[np.bool_],
    shuffled: tuple[str, ...],
) -> dict[str, Floats]:
    """Return what each model, fitted on its own rows, predicts of *unseen*; *shuffled* ones also on shuffled labels."""
    found, random = dict[str, Floats](), np.random.default_rng(0)
    for name in (*models, *shuffled):
        known, model = models[name]
        labels = random.permutation(target[known]) if name in found else target[known]
        fitted = model.fit(features[known], labels)
        told = f"shuffled, {name}" if name in found else name
        asked = features[unseen]
        found[told] = (
            fitted.predict_proba(asked)[:, 1] if hasattr(fitted, "predict_proba") else fitted.predict(asked)
        )
    return found


def draws_of(table: Table, count: int, runs: int, contiguous: bool) -> Iterator[tuple[int, float, Holdout]]:
    """Yield *runs* holdouts of *count* units for each pair: its place, and how far the gain lies above the true one."""
    random = np.random.default_rng([count, contiguous])
    there = int(table.units.max()) + 1
    for place, pair in enumerate(table.pairs):
        draw = table.prepare(pair)
        true = draw(np.arange(there)).figure
        for _ in range(runs):
            start = random.integers(there + 1 - count)
            units = np.arange(start, start + count) if contiguous else random.integers(there, size=count)
            seen = draw(units)
            yield place, seen.figure - true, seen


def runs_of(table: Table, count: int, runs: int, contiguous: bool) -> tuple[list[Floats], Floats]:
    """Return how far each gain lies above the true one and both radii, a row a run, for each pair; and their worths."""
    found: list[list[tuple[float, ...]]] = [[] for _ in table.pairs]
    worth: list[float] = []
    for place, luck, seen in draws_of(table, count, runs, contiguous):
        found[place].append((luck, *judge(table, seen)))
        if seen.telling:
            worth.append(seen.alone() / float(np.sum(seen.pulls**2)))
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
            bounds = np.concatenate([rows[:, 1] for rows in found])
            decided = np.isfinite(bounds)
            least = f"{bounds[decided].mean():.4f} | {1 - decided.mean():.0%}" if decided.any() else "| 100%"
            rows_worth = f"1/{1 / np.median(worth):.0f}" if len(worth) else ""
            way = "contiguous" if contiguous else "exchangeable"
            rates = f"{unit:.1%} ({worst:.1%}) | {row:.1%} | {rows_worth}"
            print(f"| {table.name} | {way} | {count} | {rates} | {least} | {power} |", flush=True)


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
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    if sys.argv[2:] == ["methods"]:
        write_methods((flights(), weather()), runs)
        return
    print(
        "| table | drawn | units | no better: by unit (worst pair) | by row | worth of a row | least gain | undecided "
        "| power |||"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for make in (flights, weather, doctors):
        table = make()
        check(table)
        write(table, runs)


if __name__ == "__main__":
    main()
