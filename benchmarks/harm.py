"""Measure the alarm of lost performance: how often it is false, how soon a loss is found, and the flights' months.

Usage: OMP_NUM_THREADS=1 python benchmarks/harm.py [runs] [months|years]     (default: 400 years a line, and both)

Units (days, households) are drawn at random from those that no model was trained on, so nothing changes but by chance
of units. Households have no order in time: their year is twelve windows of other ones, each looked at once.
"""

import sys
from dataclasses import dataclass

import numpy as np
from gates import Floats, Table, doctors, flights, weather
from monitoring import by_us
from numpy.typing import NDArray
from real_tables import day_codes, read_flights

from regrow.decisions.estimates import Estimate, estimate
from regrow.decisions.looks import OVERLAP
from regrow.decisions.past import Past
from regrow.decisions.performance import Holdout, performance_interval
from regrow.decisions.units import Units
from regrow.models.fitting import fit_pipeline


@dataclass(frozen=True)
class Watch:
    """How a model is watched: lengths in units, losses in the unit of its metric."""

    held_out: int
    window: int
    year: int
    every: tuple[int, ...]
    """Units from one look to the next."""
    losses: tuple[float, ...]
    """Beyond what is tolerated; if negative, less is lost."""


AREAS, DEGREES = (-0.02, 0.0, 0.02, 0.05, 0.1), (-0.2, 0.0, 0.2, 0.5, 1.0)
WATCHED = (
    (flights, Watch(18, 31, 365, (31, 1), AREAS)),
    (weather, Watch(18, 31, 365, (31, 1), DEGREES)),
    (doctors, Watch(300, 300, 3600, (300,), AREAS)),
)


def least_proven(table: Table, model: str, watch: Watch, every: int, random: np.random.Generator) -> Floats:
    """Return for each look of one drawn year the loss beyond the tolerance that would just have raised an alarm."""
    draw = table.prepare((model,))
    units = random.integers(int(table.units.max()) + 1, size=watch.held_out + watch.year)
    before, year = draw(units[: watch.held_out]).estimate(table.unit), units[watch.held_out :]
    holdout = Holdout(table.metric, before.figure, before.rows, (), before.error)
    windows = watch.year / watch.window
    level = min(0.1, 1 / min(watch.year / every, OVERLAP[0] * windows))
    found = []
    for end in range(watch.window, watch.year + 1, every):
        seen = draw(year[end - watch.window : end])
        low, high = performance_interval(seen.estimate(table.unit), holdout, 1 - level)
        lost = high - before.figure if table.binary else before.figure - low
        found.append(lost if seen.telling else np.inf)
    return np.array(found)


def alarms(proven: Floats, loss: float, watch: Watch, every: int) -> list[int]:
    """Return the units after which a year of looks raises an alarm at a true *loss*, from the takeover on.

    Another one counts once its window holds no unit of the one before.
    """
    found: list[int] = []
    for look in np.flatnonzero(proven < loss):
        end = watch.window + int(look) * every
        if not found or end >= found[-1] + watch.window:
            found.append(end)
    return found


def write_harm(table: Table, watch: Watch, runs: int) -> None:
    """Print the alarms of a year without loss, with just what is tolerated, and how soon a loss is found."""
    models = list(table.predictions)
    for every in watch.every:
        random = np.random.default_rng(every)
        years = [least_proven(table, models[run % len(models)], watch, every, random) for run in range(runs)]
        for loss in watch.losses:
            found = [alarms(year, loss, watch, every) for year in years]
            first = np.array([year[0] if year else np.inf for year in found])
            by = " | ".join(f"{np.mean(first <= count * watch.window):.0%}" for count in (1, 2, 3, 6))
            count, error = np.mean([len(year) for year in found]), np.std([len(year) for year in found])
            told = f"{count:.2f} ± {error / np.sqrt(runs):.2f}"
            print(f"| {table.name} | every {every} | {loss:+g} | {told} | {by} |", flush=True)


def write_months() -> None:
    """Print what each month of the flights' year gives: the model of its first quarter, watched as the file says."""
    read = read_flights()
    features, times, late = read.features, read.times, read.late
    units = Units(day_codes(times), "day")
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
        for make, watch in WATCHED:
            write_harm(make(), watch, runs)


if __name__ == "__main__":
    main()
