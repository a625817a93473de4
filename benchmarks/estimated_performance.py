"""Measure how far performance that is estimated before labels lies from what comes, on five cases of three tables.

Usage: OMP_NUM_THREADS=1 python benchmarks/estimated_performance.py [flights|weather|doctors …]   (some minutes)

A model is fitted, judged on a holdout, and asked about windows that come later or are drawn otherwise. Of each window:
the estimate as monitoring makes it; the same with rows of the holdout weighted by how probable they are in the window
(PAPE); and the holdout's figure carried forward. Told are mean absolute errors, how often the 95 % interval held what
came, and what a monitoring run would say after all windows.
"""

import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from real_tables import WEATHER, read_changes, read_doctors, read_flights
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from regrow.decisions.before_labels import Expected, Rows, as_numbers, calibrate, carried, expect_metric
from regrow.decisions.expected import expect
from regrow.decisions.foretold import CONFIDENCE, Foretold, weigh
from regrow.decisions.units import Units, number
from regrow.models.fitting import fit_pipeline
from regrow.project import Unit

Floats = NDArray[np.float64]
MOST = 20_000
"""Rows of a holdout or a window, as monitoring reads them."""
HEAVIEST = 20.0
"""Weight of a row of the holdout, at most."""


@dataclass(frozen=True)
class Seen:
    """Rows that a model did not learn from, what it predicts of them, and what came."""

    rows: Rows
    truth: Floats


@dataclass(frozen=True)
class Case:
    """A model's holdout and one window."""

    name: str
    metrics: tuple[str, ...]
    holdout: Seen
    window: Seen


def see(
    model: Any,
    features: pd.DataFrame,
    truth: Floats,
    units: NDArray[np.int64],
    unit: Unit,
    shown: pd.DataFrame,
) -> Seen:
    """Predict *features* by *model*, of at most `MOST` rows; *shown* are the columns that monitoring sees."""
    kept = np.arange(len(features))
    if len(kept) > MOST:
        kept = np.sort(np.random.default_rng(0).choice(len(kept), MOST, replace=False))
    asked = features.iloc[kept]
    prediction = model.predict_proba(asked) if hasattr(model, "predict_proba") else model.predict(asked)
    rows = Rows(prediction, Units(number(units[kept]), unit), shown.iloc[kept].reset_index(drop=True))
    return Seen(rows, truth[kept])


def flights() -> Iterator[Case]:
    """Yield the months after a training: of a model that is trained once, and of one that is trained each month."""
    read = read_flights()
    features, times, late = read.features, read.times, read.late
    days = times.dt.floor("D").astype("int64").to_numpy()
    for month in range(4, 13):
        end = pd.Timestamp(2013, month, 1, tz="UTC")
        cut = end - pd.Timedelta("18D")
        model, _ = fit_pipeline(
            read.project.training,
            features[times.between(end - pd.Timedelta("90D"), cut, inclusive="left")],
            late[times.between(end - pd.Timedelta("90D"), cut, inclusive="left")],
        )

        def of(chosen: pd.Series, model: Any = model) -> Seen:
            truth = late[chosen].to_numpy(np.float64)
            return see(model, features[chosen], truth, days[chosen], "day", features[chosen])

        holdout = of(times.between(cut, end, inclusive="left"))
        for later in range(month, 13 if month == 4 else month + 1):
            window = of(times.dt.month == later)
            metrics = ("roc_auc", "log_loss")
            if month == 4:
                yield Case("flights, trained once, by month", metrics, holdout, window)
            if later == month:
                yield Case("flights, trained each month", metrics, holdout, window)


def weather() -> Iterator[Case]:
    """Yield two weeks at a time after a training on January to April: how the temperature changes in 12 hours."""
    rows = read_changes()
    features, change = rows[WEATHER], rows["change"].to_numpy(np.float64)
    days = (rows["time_hour"] - pd.Timestamp("2013-01-01", tz="UTC")).dt.days.to_numpy()
    held_out = (days >= 60) & (days < 120) & (days % 2 == 0)
    known = (days < 120) & ~held_out
    colder = np.where(change < -5, 1.0, 0.0)
    regression = HistGradientBoostingRegressor(min_samples_leaf=50).fit(features[known], change[known])
    classifier = HistGradientBoostingClassifier(max_iter=50, min_samples_leaf=50).fit(
        features[known], colder[known]
    )
    for name, metrics, model, truth in (
        ("change of temperature, by two weeks", ("mae", "rmse"), regression, change),
        ("5 °F colder in 12 hours, by two weeks", ("roc_auc", "log_loss"), classifier, colder),
    ):

        def of(chosen: NDArray[np.bool_], model: Any = model, truth: Floats = truth) -> Seen:
            return see(model, features[chosen], truth[chosen], days[chosen], "day", features[chosen])

        for start in range(120, 364 - 14, 14):
            yield Case(name, metrics, of(held_out), of((days >= start) & (days < start + 14)))


def doctors() -> Iterator[Case]:
    """Yield households of the RAND experiment, drawn so that sick, old or rich people are frequent or rare.

    What a row means is the same in each window: this is covariate shift and nothing else.
    """
    features, seen, household = read_doctors()
    sees = seen.astype(np.float64)
    random = np.random.default_rng(0)
    part = random.random(household.max() + 1)[household]
    model = HistGradientBoostingClassifier(max_iter=50).fit(features[part < 0.3], sees[part < 0.3])
    held_out = (part >= 0.3) & (part < 0.5)

    def of(chosen: NDArray[np.intp]) -> Seen:
        taken = features.iloc[chosen]
        return see(model, taken, sees[chosen], household[chosen], "entity", taken)

    pool = np.flatnonzero(part >= 0.5)
    for column in ("disea", "lpi", "lncoins", "physlm"):
        values = features[column].to_numpy(np.float64)[pool]
        score = (values - values.mean()) / values.std()
        for tilt in (-1.5, -0.75, 0.75, 1.5):
            drawn = random.random(len(pool)) < 1 / (1 + np.exp(-2 * tilt * score)) * 0.6
            yield Case(
                "doctor visits, by who comes",
                ("roc_auc", "log_loss"),
                of(np.flatnonzero(held_out)),
                of(pool[drawn]),
            )


def weights(case: Case) -> Floats:
    """Return how much more probable each row of the holdout is in the window, by a classifier that tells them apart."""
    one, other = (as_numbers(case.holdout.rows, each.rows) for each in (case.holdout, case.window))
    model = HistGradientBoostingClassifier(
        max_iter=20, max_leaf_nodes=8, learning_rate=0.2, min_samples_leaf=200
    )
    model.fit(np.concatenate([one, other]), np.repeat([0, 1], [len(one), len(other)]))
    share = model.predict_proba(one)[:, 1].clip(0.01, 0.99)
    return np.minimum(share / (1 - share) * len(one) / len(other), HEAVIEST)


def weighted(case: Case, metric: str) -> float:
    """Return what probabilities expect that are calibrated on the weighted holdout (PAPE); NaN for a regression."""
    held_out, window = case.holdout.rows.prediction, case.window.rows.prediction
    if held_out.ndim == 1:
        return float("nan")
    chance = calibrate(held_out, case.holdout.truth.astype(np.int64), window, weights(case))
    return expect(metric, chance, window)[0]


def measure(case: Case, metric: str) -> dict[str, Any] | None:
    """Return the figures of one window; None if nothing can be estimated."""
    held_out, window = case.holdout, case.window
    found = expect_metric(metric, held_out.rows, held_out.truth, window.rows)
    if not isinstance(found, Expected):
        print(f"{case.name}, {metric}: {found}", file=sys.stderr)
        return None
    low, high = found.interval(CONFIDENCE)
    return {
        "case": case.name,
        "metric": metric,
        "came": carried(metric, window.rows, window.truth),
        "estimate": found.figure,
        "low": low,
        "high": high,
        "weighted": weighted(case, metric),
        "carried": carried(metric, held_out.rows, held_out.truth),
    }


def say(windows: pd.DataFrame) -> str:
    """Return what monitoring would say of the *windows* of one case."""
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    past = [
        Foretold(champion=1, metric="brier", start=moment, end=moment, figure=row.estimate, low=row.low,
                 high=row.high, carried=row.carried, realised=row.came)
        for row in windows.itertuples()
    ]  # fmt: skip
    return "informative" if weigh(past[-12:]).informative else "uninformative"


def write(cases: Iterator[Case]) -> None:
    """Print the lines of *cases*."""
    rows = [measure(case, metric) for case in cases for metric in case.metrics]
    found = pd.DataFrame([row for row in rows if row])
    for (name, metric), windows in found.groupby(["case", "metric"], sort=False):
        ways = ("estimate", "weighted", "carried")
        errors = [(windows[which] - windows["came"]).abs().mean() for which in ways]
        told = " | ".join("" if np.isnan(error) else f"{error:.3f}" for error in errors)
        inside = windows["came"].between(windows["low"], windows["high"]).mean()
        reach = f"{windows['came'].min():.3f} to {windows['came'].max():.3f}"
        print(
            f"| {name} | {metric} | {len(windows)} | {reach} | {told} | {inside:.0%} | {say(windows)} |",
            flush=True,
        )


def main() -> None:
    """Print the table of docs/decisions.md."""
    warnings.simplefilter("ignore")
    tables = {"flights": flights, "weather": weather, "doctors": doctors}
    print(
        "| windows | metric | number | came, from to | estimate | PAPE | carried forward | in interval | said |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in sys.argv[1:] or tables:
        write(tables[name]())


if __name__ == "__main__":
    main()
