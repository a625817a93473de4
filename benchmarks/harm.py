"""Measure the alarm of lost performance: how often it is false, how soon a loss is found, and the flights' months.

Usage: OMP_NUM_THREADS=1 python benchmarks/harm.py [runs] [months|years]     (default: 400 years a line, and both)

Days are drawn at random from half a year, so nothing changes but by chance of days.
"""

import sys

import numpy as np
from gates import Table, flights
from monitoring import Days, by_us
from numpy.typing import NDArray
from real_tables import read_flights

from regrow.decisions.estimates import Estimate, estimate
from regrow.decisions.past import Past
from regrow.decisions.performance import Holdout, performance_interval
from regrow.decisions.units import Units, number
from regrow.models.fitting import fit_pipeline

TOLERANCE, HELD_OUT, WINDOW, YEAR = 0.02, 18, 31, 365


class Steps:
    """A model's rows by day and step of its probability: all that the area under the ROC curve needs."""

    def __init__(self, table: Table, model: str) -> None:
        """Count the rows of *table* by what *model* predicts of them."""
        values = table.predictions[model]
        step = np.searchsorted(np.quantile(values, np.linspace(0, 1, 257)[1:-1]), values)
        count = int(table.units.max()) + 1
        self.above, self.below = (
            np.bincount(table.units[of] * 256 + step[of], minlength=count * 256).reshape(count, 256)
            for of in (table.target == 1, table.target == 0)
        )

    def estimate(self, days: Days) -> Estimate:
        """Return the area of some *days*, in their order, and its error by day, as `estimate` does."""
        above, below = self.above[days], self.below[days]
        ups, downs = above.sum(axis=0), below.sum(axis=0)
        beaten, lost = (
            (np.cumsum(downs) - downs / 2) / downs.sum(),
            1 - (np.cumsum(ups) - ups / 2) / ups.sum(),
        )
        area = float(ups @ beaten / ups.sum())
        pulls = above @ (beaten - area) / ups.sum() + below @ (lost - area) / downs.sum()
        blocks = Units(np.arange(len(days)), "day").blocks()
        pulled, sizes = (np.bincount(blocks.codes, values) for values in (pulls, (above + below).sum(axis=1)))
        error = float(np.sqrt(np.sum(pulled**2) * len(pulled) / (len(pulled) - 1)))
        freedom = float(sizes.sum() ** 2 / np.sum(sizes**2) - 1)
        return Estimate(area, error, freedom, int(sizes.sum()), blocks, 0.0)


def alarms(steps: Steps, days: Days, held_out: Days, loss: float, every: int) -> list[int]:
    """Return the days, from the takeover on, on which a year of looks *every* so many days raises an alarm.

    Another one counts once its window holds no day of the one before. A *loss* is what the holdout has more.
    """
    before = steps.estimate(held_out)
    holdout = Holdout("roc_auc", before.figure + loss, before.rows, (0, 1), before.error)
    looks = min(YEAR / every, 4 * YEAR / WINDOW)
    found: list[int] = []
    for end in range(WINDOW, YEAR + 1, every):
        if found and end < found[-1] + WINDOW:
            continue
        seen = steps.estimate(days[end - WINDOW : end])
        if performance_interval(seen, holdout, 1 - min(0.1, 1 / looks))[1] < holdout.figure - TOLERANCE:
            found.append(end)
    return found


def write_harm(runs: int) -> None:
    """Print the alarms of a year without loss, with just what is tolerated, and how soon a loss is found."""
    table = flights()
    steps = [Steps(table, name) for name in table.predictions]
    there = int(table.units.max()) + 1
    for every in (31, 1):
        for loss in (0.0, 0.02, 0.05, 0.07, 0.1):
            random, years = np.random.default_rng(every), []
            for run in range(runs):
                days = random.integers(there, size=YEAR + HELD_OUT)
                years.append(alarms(steps[run % len(steps)], days[HELD_OUT:], days[:HELD_OUT], loss, every))
            first = np.array([year[0] if year else np.inf for year in years])
            by = " | ".join(f"{np.mean(first <= day):.0%}" for day in (31, 62, 93, 186))
            count = np.mean([len(year) for year in years])
            print(f"| every {every} days | {loss:g} | {count:.2f} | {by} |", flush=True)


def write_months() -> None:
    """Print what each month of the flights' year gives: the model of its first quarter, watched as the file says."""
    read = read_flights()
    features, times, late = read.features, read.times, read.late
    units = Units(number(times.dt.floor("D").astype("int64").to_numpy()), "day")
    asked = (times < "2013-04-01").to_numpy()
    last = times[asked].sort_values(ignore_index=True).iloc[int(0.8 * asked.sum())]
    fitted, held_out = (times < last).to_numpy(), asked & (times >= last).to_numpy()
    model, _ = fit_pipeline(read.project.training, features[fitted], late[fitted])
    predicted = model.predict_proba(features)

    def area(chosen: NDArray[np.bool_]) -> Estimate:
        found = estimate(
            "roc_auc", late[chosen].to_numpy(), [predicted[chosen]], (False, True), units.take(chosen)
        )
        assert isinstance(found, Estimate)  # noqa: S101
        return found

    before = area(held_out)
    holdout = Holdout("roc_auc", before.figure, before.rows, (False, True), before.error)
    print(
        f"holdout {before.figure:.4f}, standard error {before.error:.4f}, {before.units.count} days",
        flush=True,
    )
    reference, spread = features[fitted], Past(units.take(fitted), None)
    for month in range(4, 13):
        chosen = (times.dt.month == month).to_numpy()
        seen = area(chosen)
        low, high = performance_interval(seen, holdout, 11 / 12)
        told = "less than the holdout" if high < holdout.figure else "no harm proven"
        past = Past(spread.units, units.take(chosen))
        drifted = by_us(reference, features[chosen], past, 1 / 12)
        print(
            f"| {month} | {seen.figure:.3f} ({low:.3f} to {high:.3f}) | {told} | {', '.join(drifted)} |",
            flush=True,
        )


def main() -> None:
    """Print the tables of harm in docs/decisions.md."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    parts = sys.argv[2:] or ["months", "years"]
    if "months" in parts:
        write_months()
    if "years" in parts:
        write_harm(runs)


if __name__ == "__main__":
    main()
