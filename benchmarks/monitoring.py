"""Measure how often drift is found that is none, and what injected drift is found. The alarm of harm: `harm.py`.

Usage: OMP_NUM_THREADS=1 python benchmarks/monitoring.py [runs]     (default: 40 a line, some minutes)

Days are drawn at random from one quarter, so nothing changes but by chance of days. Evidently is asked the same of the
same rows: its preset's tests of more than 1,000 rows (Wasserstein's distance of numbers, Jensen-Shannon's of
categories, each from 0.1 on), and the preset's own verdict (half of the columns).
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from real_tables import FLIGHTS, read_flights, read_hours
from sklearn.ensemble import HistGradientBoostingClassifier

from regrow.data.sources import feature_columns, read_source
from regrow.decisions.attributions import compare_attributions
from regrow.decisions.bins import is_number
from regrow.decisions.dependence import compare_dependence
from regrow.decisions.distances import measure_distances
from regrow.decisions.drift import Move, find_drifted
from regrow.decisions.estimates import Estimate, estimate
from regrow.decisions.past import Past, move_of
from regrow.decisions.units import Units, number
from regrow.project import load_project

Days = NDArray[np.int64]
Change = Callable[[pd.DataFrame], pd.DataFrame]
WINDOW = 31
"""Days of a window."""


def days_of(frame: pd.DataFrame, column: str) -> list[Days]:
    """Return the places of the rows of each day."""
    codes = number(frame[column].dt.floor("D").astype("int64").to_numpy())
    return np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])


def drawn(frame: pd.DataFrame, days: list[Days], chosen: Days, rows: int) -> tuple[pd.DataFrame, Units]:
    """Return at most *rows* rows of the *chosen* days, and their days."""
    places = np.concatenate([days[day] for day in chosen])
    codes = np.repeat(np.arange(len(chosen)), [len(days[day]) for day in chosen])
    if len(places) > rows:
        kept = np.sort(np.random.default_rng(0).choice(len(places), rows, replace=False))
        places, codes = places[kept], codes[kept]
    return frame.iloc[places].reset_index(drop=True), Units(number(codes), "day")


def by_evidently(reference: pd.DataFrame, window: pd.DataFrame) -> float:
    """Return the share of columns that Evidently's preset calls drifted."""
    from evidently.legacy.calculations import stattests
    from evidently.legacy.core import ColumnType

    found = []
    for name in reference:
        sides = [frame[name].dropna() for frame in (reference, window)]
        if is_number(reference[name]):
            result = stattests.wasserstein_stat_test(*sides, ColumnType.Numerical, 0.1)
        else:
            texts = [side.astype(str) for side in sides]
            result = stattests.jensenshannon_stat_test(*texts, ColumnType.Categorical, 0.1)
        found.append(result.drift_score >= 0.1)
    return float(np.mean(found))


def by_us(reference: pd.DataFrame, window: pd.DataFrame, past: Past, level: float) -> tuple[str, ...]:
    """Name the columns that drifted."""
    found = measure_distances(reference, window, "psi", dict.fromkeys(map(str, reference), 0.2))
    moves = {
        name: Move(value, 0.2, past.doubt(found.columns[name], value, "psi") if value >= 0.2 else 1.0)
        for name, value in found.values.items()
    }
    return find_drifted(moves, level)


def shift(size: float) -> Change:
    """Return what moves the temperature by *size* standard deviations."""
    return lambda rows: rows.assign(temp=rows["temp"] + size * rows["temp"].std())


CHANGES: dict[str, tuple[str, Change]] = {
    "shift of 1 standard deviation": ("temp", shift(1)),
    "shift of 2 standard deviations": ("temp", shift(2)),
    "3 standard deviations, the reference with an outlier of 1e6": ("temp", shift(3)),
    "halved spread": (
        "temp",
        lambda rows: rows.assign(temp=rows["temp"].mean() + (rows["temp"] - rows["temp"].mean()) / 2),
    ),
    "a new category in 20 % of the rows": (
        "origin",
        lambda rows: rows.assign(origin=rows["origin"].astype(object).where(rows.index % 5 > 0, "XXX")),
    ),
    "20 % missing": (
        "distance",
        lambda rows: rows.assign(distance=rows["distance"].where(rows.index % 5 > 0)),
    ),
    "kilometres for miles": ("distance", lambda rows: rows.assign(distance=rows["distance"] * 1.609)),
}


def write_drift(name: str, frame: pd.DataFrame, time: str, runs: int) -> None:
    """Print how many looks of a year find drift in random days of the first quarter of *frame*."""
    days, columns = days_of(frame, time)[:90], [column for column in frame if column != time]
    cases = [(31, 20_000, 12, 1), (7, 20_000, 52, 1), (14, 200, 26, 1), (31, 20_000, 12, 5)]
    for length, rows, looks, copies in cases:
        random, ours, single, preset = np.random.default_rng([length, rows, copies]), 0, 0, 0
        for _ in range(runs):
            chosen = random.integers(len(days), size=72 + length)
            (reference, units), (window, served) = (
                drawn(frame, days, each, count)
                for each, count in ((chosen[:72], 20_000), (chosen[72:], rows))
            )
            reference, window = (side[columns] for side in (reference, window))
            share = by_evidently(reference, window)
            single, preset = single + (share > 0), preset + (share >= 0.5)
            if copies > 1:  # The same columns again: so many are judged together.
                reference, window = (
                    pd.concat([side.add_suffix(f"_{copy}") for copy in range(copies)], axis=1)
                    for side in (reference, window)
                )
            ours += bool(by_us(reference, window, Past(units, served), min(0.1, 1 / looks)))
        told = " | ".join(f"{looks * count / runs:.1f}" for count in (ours, single, preset))
        print(f"| {name} | {len(columns) * copies} | {length} days, {rows:,} rows | {told} |", flush=True)


def write_power(frame: pd.DataFrame, time: str, runs: int) -> None:
    """Print how often injected drift is found, and its column named."""
    days, columns = days_of(frame, time)[:90], [column for column in frame if column != time]
    for name, (column, change) in CHANGES.items():
        random, ours, theirs, false = np.random.default_rng(0), 0, 0, 0
        for _ in range(runs):
            chosen = random.integers(len(days), size=72 + WINDOW)
            (reference, units), (window, served) = (
                drawn(frame, days, each, 10_000) for each in (chosen[:72], chosen[72:])
            )
            reference, window = reference[columns], change(window[columns])
            if "outlier" in name:
                reference = reference.assign(temp=reference["temp"].where(reference.index > 0, 1e6))
            found = by_us(reference, window, Past(units, served), 1 / 12)
            ours, false = ours + (column in found), false + bool(set(found) - {column})
            theirs += by_evidently(reference[[column]], window[[column]]) > 0
        print(f"| {name} | {ours / runs:.0%} | {false / runs:.0%} | {theirs / runs:.0%} |", flush=True)


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
    reference: pd.DataFrame, window: pd.DataFrame, units: Units, served: Units, level: float
) -> bool:
    """Return whether a classifier tells the sides apart: it learns half of the days, and is judged on the others."""
    columns = measure_distances(reference, window, "psi", dict.fromkeys(map(str, reference), 0.2)).columns
    sides = [
        np.column_stack([getattr(binned, side) for binned in columns.values()])
        for side in ("reference", "window")
    ]
    values, codes = np.concatenate(sides), np.concatenate([units.codes, served.codes + units.count])
    label, halves = np.repeat([0, 1], [len(side) for side in sides]), codes % 2
    scores = np.zeros((len(values), 2))
    for half in (0, 1):
        model = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=15, class_weight="balanced")
        model.fit(values[halves != half], label[halves != half])
        scores[halves == half] = model.predict_proba(values[halves == half])
    found = estimate("roc_auc", label, [scores], (0, 1), Units(codes, "day"))
    return isinstance(found, Estimate) and found.figure - found.radius(1 - level) > 0.5


def write_dependence(name: str, frame: pd.DataFrame, time: str, column: str, runs: int) -> None:
    """Print how often correlations are said to have changed that have not, and that have."""
    days, columns = days_of(frame, time)[:90], [each for each in frame if each != time]
    for told, change in {
        "nothing": None,
        f"{column} mixed in a half of the rows": mixed(column, 0.5),
        f"{column} mixed in all": mixed(column, 1.0),
    }.items():
        random, ours, right, theirs = np.random.default_rng(0), 0, 0, 0
        for _ in range(runs):
            chosen = random.integers(len(days), size=72 + WINDOW)
            (reference, units), (window, served) = (
                drawn(frame, days, each, 10_000) for each in (chosen[:72], chosen[72:])
            )
            reference, window = reference[columns], window[columns]
            window = change(window) if change else window
            binned = measure_distances(reference, window, "psi", dict.fromkeys(columns, 0.2)).columns
            found = compare_dependence(binned, Past(units, served), 0.2)
            proven = not isinstance(found, str) and found.doubt <= 1 / 12
            ours += proven
            right += proven and any(column in each for each in found.pairs[0].names)
            theirs += by_classifier(reference, window, units, served, 1 / 12)
        shares = " | ".join(f"{count / runs:.0%}" for count in (ours, right, theirs))
        print(f"| {name} | {told} | {shares} |", flush=True)


def write_context() -> None:
    """Print which columns of the flights moved in each month from the first quarter, and which given the weather."""
    read = read_flights()
    months = read.times.dt.month
    units = Units(number(read.times.dt.floor("D").astype("int64").to_numpy()), "day")
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


def main() -> None:
    """Print the tables of docs/decisions.md."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    parts = sys.argv[2:] or ["drift", "power", "dependence", "context", "serial"]
    project = load_project(FLIGHTS)
    rows = read_source(project, datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 4, 1, tzinfo=UTC))
    frame = rows[[*feature_columns(project, list(rows.columns)), "scheduled_departure"]]
    if "context" in parts:
        write_context()
    if "serial" in parts:
        write_serial(runs)
    if "power" in parts:
        write_power(frame, "scheduled_departure", runs)
    if "dependence" in parts:
        write_dependence("flights", frame, "scheduled_departure", "dewp", runs)
        hours = read_hours().sort_values("time_hour", ignore_index=True)
        write_dependence("weather by hour", hours, "time_hour", "humid", runs)
    if "drift" in parts:
        write_drift("flights", frame, "scheduled_departure", runs)
        hours = read_hours().sort_values("time_hour", ignore_index=True)
        write_drift("weather by hour", hours, "time_hour", runs)


if __name__ == "__main__":
    main()
