"""Measure how often drift is found that is none, and what injected drift is found. The alarm of harm: `harm.py`.

Usage: OMP_NUM_THREADS=1 python benchmarks/monitoring.py [runs [part|population …]]
(default: 40 a line; all parts: drift, power, dependence, context, serial; of all populations, see `POPULATIONS`)

Units (days of one quarter, households) are drawn at random, so nothing changes but by chance of units. Evidently is
asked the same of the same rows: its preset's tests of more than 1,000 rows (Wasserstein's distance of numbers,
Jensen-Shannon's of categories, each from 0.1 on), and the preset's own verdict (half of the columns).
"""

import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from populations import MILLION, POPULATIONS, Population, Window
from real_tables import day_codes, read_flights
from sklearn.ensemble import HistGradientBoostingClassifier

from regrow.decisions.attributions import compare_attributions
from regrow.decisions.bins import is_number
from regrow.decisions.dependence import compare_dependence
from regrow.decisions.distances import measure_distances
from regrow.decisions.drift import Move, find_drifted
from regrow.decisions.estimates import Estimate, estimate
from regrow.decisions.past import Past, move_of
from regrow.decisions.units import Units
from regrow.project import DriftRule, Unit

Change = Callable[[pd.DataFrame], pd.DataFrame]
EVIDENTLYS = 40
"""Evidently is asked in so many looks of a line of false findings, the first ones: each takes it long."""
OUTLIER = "and one value of 10⁶ in the reference"


def by_evidently(reference: pd.DataFrame, window: pd.DataFrame) -> set[str]:
    """Return the columns that Evidently's preset calls drifted."""
    from evidently.legacy.calculations import stattests
    from evidently.legacy.core import ColumnType

    found = set[str]()
    for name in map(str, reference):
        sides = [frame[name].dropna() for frame in (reference, window)]
        if is_number(reference[name]):
            result = stattests.wasserstein_stat_test(*sides, ColumnType.Numerical, 0.1)
        else:
            texts = [side.astype(str) for side in sides]
            result = stattests.jensenshannon_stat_test(*texts, ColumnType.Categorical, 0.1)
        if result.drift_score >= 0.1:
            found.add(name)
    return found


def by_us(reference: pd.DataFrame, window: pd.DataFrame, past: Past, level: float) -> tuple[str, ...]:
    """Name the columns that drifted."""
    found = measure_distances(reference, window, "psi", dict.fromkeys(map(str, reference), 0.2))
    moves = {
        name: Move(value, 0.2, past.doubt(found.columns[name], value, "psi") if value >= 0.2 else 1.0)
        for name, value in found.values.items()
    }
    return find_drifted(moves, level)


def changes_of(population: Population) -> dict[str, tuple[str, Change]]:
    """Return what is injected, by its description: the column, and what changes it."""
    of, category = population.number, population.category
    rescaled, change, unit = population.rescaled

    def moved(size: float) -> Change:
        return lambda rows: rows.assign(**{of: rows[of] + size * rows[of].std()})

    def spread(factor: float) -> Change:
        return lambda rows: rows.assign(**{of: rows[of].mean() + (rows[of] - rows[of].mean()) * factor})

    def renamed(every: int) -> Change:
        return lambda rows: rows.assign(
            **{category: rows[category].astype(object).where(rows.index % every > 0, "new")}
        )

    def missing(every: int) -> Change:
        return lambda rows: rows.assign(**{rescaled: rows[rescaled].where(rows.index % every > 0)})

    found: dict[str, tuple[str, Change]] = {"nothing": (of, lambda rows: rows)}
    found |= {
        f"{of} shifted by {size:g} standard deviations": (of, moved(size)) for size in (0.25, 0.5, 1, 2)
    }
    found[f"{of} shifted by 3, {OUTLIER}"] = (of, moved(3))
    found |= {f"{of} of {factor:g} times the spread": (of, spread(factor)) for factor in (0.5, 0.75, 1.5)}
    if category:
        found |= {
            f"{category}: a new category in {1 / every:.0%} of the rows": (category, renamed(every))
            for every in (50, 20, 5)
        }
    found |= {f"{rescaled}: {1 / every:.0%} missing": (rescaled, missing(every)) for every in (50, 20, 5)}
    rescale: Change = lambda rows: rows.assign(**{rescaled: change(rows[rescaled])})  # noqa: E731
    found[f"{rescaled}: {unit}"] = (rescaled, rescale)
    return found


def error_of(share: float, runs: int) -> float:
    """Return the standard error of a *share* of *runs*; of none or all, what one run more or less would make."""
    return float(np.sqrt(max(share * (1 - share), 1 / runs) / runs))


def write_drift(name: str, population: Population, runs: int) -> None:
    """Print how many looks of a year find drift in windows of a *population* in which nothing changes."""
    count = population.frame.shape[1]
    for window in population.windows:
        random = np.random.default_rng([window.units, window.rows])
        most = DriftRule().max_rows if window.rows == MILLION else 20_000
        ours, theirs = list[bool](), list[int]()
        for run in range(runs):
            reference, served, past = population.draw(window, random, most)
            ours.append(bool(by_us(reference, served, past, min(0.1, 1 / window.looks))))
            if run < EVIDENTLYS:
                theirs.append(len(by_evidently(reference, served)))
        share, columns = float(np.mean(ours)), np.array(theirs)
        error = window.looks * error_of(share, runs)
        told = " | ".join(f"{window.looks * np.mean(columns >= least):.1f}" for least in (1, count / 2))
        rows = f"{window.rows:,} rows" if window.rows < MILLION else "a million rows"
        size = (
            f"{window.units} {'days' if population.unit == 'day' else 'households'}, {rows} | {window.looks}"
        )
        found = f"{window.looks * share:.2f} ± {error:.2f}"
        print(f"| {name} | {count} | {size} | {runs} | {found} | {told} |", flush=True)


def write_power(name: str, population: Population, runs: int) -> None:
    """Print how often injected drift is found, and its column named."""
    window = Window(population.windows[0].units, 10_000, 12)
    for told, (column, change) in changes_of(population).items():
        random, found = np.random.default_rng(0), np.zeros((runs, 4), dtype=np.bool_)
        for run in range(runs):
            reference, served, past = population.draw(window, random, window.rows)
            served = change(served)
            if OUTLIER in told:
                reference = reference.assign(**{column: reference[column].where(reference.index > 0, 1e6)})
            ours, theirs = by_us(reference, served, past, 1 / 12), by_evidently(reference, served)
            others = bool(set(ours) - {column})
            found[run] = column in ours, others, column in theirs, len(theirs) >= served.shape[1] / 2
        shares = " | ".join(f"{share:.0%}" for share in found.mean(axis=0))
        print(f"| {name} | {told} | {shares} |", flush=True)


def mixed(column: str, share: float) -> Change:
    """Return what mixes *column* among a *share* of the rows: each value stays, what it goes with does not."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        random = np.random.default_rng(0)
        places = np.flatnonzero(random.random(len(rows)) < share)
        values = rows[column].to_numpy(copy=True)
        values[places] = values[random.permutation(places)]
        return rows.assign(**{column: values})

    return change


def by_classifier(
    reference: pd.DataFrame, window: pd.DataFrame, past: Past, unit: Unit, level: float
) -> bool:
    """Return whether a classifier tells the sides apart: it learns half of the units, and is judged on the others."""
    assert past.units and past.window  # noqa: S101
    columns = measure_distances(reference, window, "psi", dict.fromkeys(map(str, reference), 0.2)).columns
    sides = [
        np.column_stack([getattr(binned, side) for binned in columns.values()])
        for side in ("reference", "window")
    ]
    values, codes = (
        np.concatenate(sides),
        np.concatenate([past.units.codes, past.window.codes + past.units.count]),
    )
    label, halves = np.repeat([0, 1], [len(side) for side in sides]), codes % 2
    scores = np.zeros((len(values), 2))
    for half in (0, 1):
        model = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=15, class_weight="balanced")
        model.fit(values[halves != half], label[halves != half])
        scores[halves == half] = model.predict_proba(values[halves == half])
    found = estimate("roc_auc", label, [scores], (0, 1), Units(codes, unit))
    return isinstance(found, Estimate) and found.figure - found.radius(1 - level) > 0.5


def write_dependence(name: str, population: Population, runs: int) -> None:
    """Print how often correlations are said to have changed that have not, and that have."""
    window, column = Window(population.windows[0].units, 10_000, 12), population.mixed
    for told, change in {
        "nothing": None,
        f"{column} mixed in a half of the rows": mixed(column, 0.5),
        f"{column} mixed in all": mixed(column, 1.0),
    }.items():
        random, found = np.random.default_rng(0), np.zeros((runs, 3), dtype=np.bool_)
        for run in range(runs):
            reference, served, past = population.draw(window, random, window.rows)
            served = change(served) if change else served
            binned = measure_distances(
                reference, served, "psi", dict.fromkeys(map(str, reference), 0.2)
            ).columns
            seen = compare_dependence(binned, past, 0.2)
            proven = not isinstance(seen, str) and seen.doubt <= 1 / 12
            right = proven and any(column in each for each in seen.pairs[0].names)
            found[run] = proven, right, by_classifier(reference, served, past, population.unit, 1 / 12)
        shares = " | ".join(f"{share:.0%}" for share in found.mean(axis=0))
        print(f"| {name} | {told} | {shares} |", flush=True)


def write_context() -> None:
    """Print which columns of the flights moved in each month from the first quarter, and which given the weather."""
    read = read_flights()
    months = read.times.dt.month
    units = Units(day_codes(read.times), "day")
    limits = dict.fromkeys(map(str, read.features), 0.2)
    for month in range(4, 13):
        sides = [(months <= 3).to_numpy(), (months == month).to_numpy()]
        random = np.random.default_rng(month)
        rows = [np.sort(random.choice(np.flatnonzero(side), 20_000, replace=False)) for side in sides]
        reference, window = (read.features.iloc[each].reset_index(drop=True) for each in rows)
        past, told = Past(*(units.take(each) for each in rows)), []
        for context in ((), ("temp",), ("temp", "dewp")):
            found = measure_distances(reference, window, "psi", limits, context)
            moves = {name: move_of(found, past, name) for name in found.judged}
            drifted = ", ".join(find_drifted(moves, 1 / 12)) or "none"
            known = past.explained(found)
            told.append(known.obstacle if known and known.obstacle else drifted)
        print(f"| {month} | {' | '.join(told)} |", flush=True)


def made_days(random: np.random.Generator, count: int, alike: float, season: float) -> NDArray[np.float64]:
    """Draw the weather of *count* days in a row, `(days, 6)`: each day is like the one before by *alike*."""
    fresh = random.normal(size=(count, 6)) * np.sqrt(1 - alike**2)
    days = [random.normal(size=6)]
    for each in fresh[1:]:
        days.append(alike * days[-1] + each)
    return np.array(days) + season * np.eye(6)[0]


def made_rows(random: np.random.Generator, days: NDArray[np.float64]) -> tuple[pd.DataFrame, Units]:
    """Draw 100 rows of each of *days*: the second column follows the first one, whose weather the season moves."""
    codes = np.repeat(np.arange(len(days)), 100)
    values = days[codes] + random.normal(size=(len(codes), 6))
    values[:, 1] += values[:, 0]
    return pd.DataFrame(values, columns=list("abcdef")), Units(codes, "day")


def write_serial(runs: int) -> None:
    """Print how often made days, alike by nothing or by what follows in a row, are called drift that are none."""
    for alike in (0.0, 0.7):
        for before, season in ((90, 0.0), (90, 1.5), (90, 2.5), (30, 0.0)):
            found = np.zeros((4, 2))
            for run in range(runs):
                random = np.random.default_rng(run)
                days = made_days(random, before + 14, alike, 0.0)
                days[before:, 0] += season
                (reference, units), (window, served) = (
                    made_rows(random, part) for part in (days[:before], days[before:])
                )
                past = Past(units, served)
                doubts = []
                for context in ((), ("a",)):
                    told = measure_distances(
                        reference, window, "psi", dict.fromkeys(map(str, reference), 0.1), context
                    )
                    known = past.explained(told)
                    moves = {name: move_of(told, past, name) for name in told.judged}
                    doubts.append({} if known and known.obstacle else moves)
                changed = compare_dependence(told.columns, past, 0.2)
                sizes = [np.abs(side.to_numpy()) for side in (reference, window)]
                other = compare_attributions(list("abcdef"), *sizes, units, served)
                for place, level in enumerate((0.01, 0.05)):
                    found[0, place] += bool(find_drifted(doubts[0], level))
                    found[1, place] += bool(find_drifted(doubts[1], level))
                    found[2, place] += not isinstance(changed, str) and changed.doubt <= level
                    found[3, place] += not isinstance(other, str) and other.doubt <= level
            told = " | ".join(f"{low / runs:.0%}, {high / runs:.0%}" for low, high in found)
            print(f"| {alike:g} | {before} | {season:g} | {told} |", flush=True)


BY_POPULATION = {"drift": write_drift, "power": write_power, "dependence": write_dependence}


def main() -> None:
    """Print the tables of docs/decisions.md."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    asked = set(sys.argv[2:])
    parts = asked - set(POPULATIONS) or {*BY_POPULATION, "context", "serial"}
    for name in [name for name in POPULATIONS if name in asked] or POPULATIONS:
        population = POPULATIONS[name]()
        for part in (part for part in BY_POPULATION if part in parts):
            BY_POPULATION[part](name, population, runs)
    if "context" in parts:
        write_context()
    if "serial" in parts:
        write_serial(runs)


if __name__ == "__main__":
    main()
