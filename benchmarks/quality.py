"""Measure how often data is called broken that is not, and which injected breaks are found.

Usage: OMP_NUM_THREADS=1 python benchmarks/quality.py [runs] [false|power|unseen]     (default: 40 a line, all three)

Days are drawn at random from one quarter, so nothing changes but by chance of days. *By row* is the rule of before:
each column at 95 % by itself, rows taken for independent.
"""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from populations import POPULATIONS, Population, Window

from regrow.base.verdict import Finding
from regrow.decisions.quality import is_text, judge_quality
from regrow.decisions.units import Units
from regrow.project import QualityRule

Change = Callable[[pd.DataFrame, Units], pd.DataFrame]
WINDOWS = Window(31, 6_000, 12), Window(7, 3_000, 52), Window(14, 200, 26)
MOST_ROWS = 6_000
"""Of the reference."""
RULES = {"as by default": QualityRule(), "none tolerated": QualityRule(missing=0, unseen=0)}


def level_of(window: Window) -> float:
    """Return the level of one look that leaves at most one false alarm a year."""
    return min(0.1, 1 / window.looks)


def questions(frame: pd.DataFrame) -> int:
    """Return how many questions share the level of a look."""
    return frame.shape[1] + 2 * sum(is_text(frame[name]) for name in frame)


def by_row(reference: pd.DataFrame, window: pd.DataFrame, rule: QualityRule) -> tuple[Finding, ...]:
    """Judge each column at 95 %, two-sided, whatever their number, and each row as independent."""
    return judge_quality(reference, window, rule, level=0.025 * questions(reference))


def any_failed(findings: tuple[Finding, ...]) -> bool:
    """Return whether one of *findings* fails."""
    return any(each.failed for each in findings)


def write_false(name: str, runs: int) -> None:
    """Print how many looks of a year find broken data in random days of the population *name*."""
    population = POPULATIONS[name]()
    for window in WINDOWS:
        random = np.random.default_rng([window.units, window.rows])
        found = {rule: np.zeros(2) for rule in RULES}
        for _ in range(runs):
            reference, served, past = population.draw(window, random, MOST_ROWS)
            for told, rule in RULES.items():
                ours = judge_quality(reference, served, rule, past.units, past.window, level_of(window))
                found[told] += any_failed(by_row(reference, served, rule)), any_failed(ours)
        told = " | ".join(
            f"{window.looks * count / runs:.1f}" for counts in found.values() for count in counts
        )
        seen = f"{population.frame.shape[1]} | {window.units} days, {window.rows:,} rows"
        print(f"| {name} | {seen} | {told} |", flush=True)


def lacking(column: str, share: float, newest: int | None = None) -> Change:
    """Return what takes *column* from a random *share* of the rows, of all days or the *newest* ones."""

    def change(rows: pd.DataFrame, served: Units) -> pd.DataFrame:
        lost = np.random.default_rng(1).random(len(rows)) < share
        if newest is not None:
            lost &= served.codes >= served.count - newest
        return rows.assign(**{column: rows[column].where(~lost)})

    return change


def new_category(rows: pd.DataFrame, served: Units) -> pd.DataFrame:
    """Write an origin that the reference does not know into 15 % of the rows."""
    return rows.assign(
        origin=rows["origin"].astype(object).where(np.random.default_rng(1).random(len(rows)) >= 0.15, "XXX")
    )


BREAKS: dict[str, tuple[str, Change]] = {
    f"{share:.0%} more missing in all rows, {column}": (column, lacking(column, share))
    for column in ("distance", "pressure")
    for share in (0.05, 0.1, 0.2)
} | {
    "missing on one of the days": ("distance", lacking("distance", 1, 1)),
    "missing on the newest 3 days": ("distance", lacking("distance", 1, 3)),
    "half missing on the newest 8 days": ("distance", lacking("distance", 0.5, 8)),
    "half missing on the newest 16 days": ("distance", lacking("distance", 0.5, 16)),
    "a new category in 15 % of the rows": ("origin", new_category),
}


def write_power(population: Population, runs: int) -> None:
    """Print how often breaks of one column are found, at its part of the level of all columns of *population*."""
    for name, (column, change) in BREAKS.items():
        cells, alone = [], replace(population, frame=population.frame[[column]])
        for window in WINDOWS[:2]:
            level = level_of(window) * questions(alone.frame) / questions(population.frame)
            random, counts = np.random.default_rng(0), np.zeros(2)
            for _ in range(runs):
                reference, served, past = alone.draw(window, random, MOST_ROWS)
                assert past.window is not None  # noqa: S101
                served = change(served, past.window)
                ours = judge_quality(reference, served, QualityRule(), past.units, past.window, level)
                counts += any_failed(by_row(reference, served, QualityRule())), any_failed(ours)
            cells += [f"{count / runs:.0%}" for count in counts]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def rare(random: np.random.Generator, kinds: int, rows: int) -> pd.DataFrame:
    """Draw *rows* of a column whose values are the rarer the later, as codes and names are in tables."""
    shares = 1 / np.arange(1, kinds + 1)
    return pd.DataFrame(
        {"place": pd.Series(random.choice(kinds, rows, p=shares / shares.sum())).map("p{}".format)}
    )


def own(random: np.random.Generator, customers: int, first: int, each: int) -> tuple[pd.DataFrame, Units]:
    """Draw *each* rows of each of *customers*, a third of them with a value that this customer alone has."""
    codes = np.repeat(np.arange(customers), each)
    values = pd.Series(random.integers(5, size=len(codes))).map("v{}".format)
    mine = pd.Series(codes + first).map("c{}".format)
    return pd.DataFrame({"place": values.where(random.random(len(codes)) > 1 / 3, mine)}), Units(
        codes, "entity"
    )


def write_unseen(runs: int) -> None:
    """Print how often unchanged columns of rare values are said to hold too many new ones."""
    limits = QualityRule(unseen=0.02), QualityRule()
    for kinds in (100, 1_000, 10_000, 100_000):
        for known in (60, 2_000):
            for rows in (60, 1_000):
                random, counts, new = np.random.default_rng([kinds, known, rows]), np.zeros((2, 2)), 0.0
                for _ in range(runs):
                    sides = rare(random, kinds, known), rare(random, kinds, rows)
                    new += float((~sides[1]["place"].isin(sides[0]["place"])).mean())
                    for place, rule in enumerate(limits):
                        counts[place] += (
                            by_row(*sides, rule)[1].failed,
                            judge_quality(*sides, rule, level=1 / 12)[1].failed,
                        )
                told = " | ".join(f"{count / runs:.0%}" for count in counts.ravel())
                print(f"| {kinds:,} | {known:,} | {rows:,} | {new / runs:.0%} | {told} |", flush=True)
    for customers, each in ((200, 10), (200, 50)):
        random, counts, new = np.random.default_rng([customers, each]), np.zeros((2, 2)), 0.0
        for _ in range(runs):
            (reference, units), (window, served) = own(random, 200, 0, each), own(random, 60, 1_000, each)
            new += float((~window["place"].isin(reference["place"])).mean())
            for place, rule in enumerate(limits):
                ours = judge_quality(reference, window, rule, units, served, 1 / 12)[1].failed
                counts[place] += by_row(reference, window, rule)[1].failed, ours
        told = " | ".join(f"{count / runs:.0%}" for count in counts.ravel())
        print(f"| customers' own | {200 * each:,} | {60 * each:,} | {new / runs:.0%} | {told} |", flush=True)


def main() -> None:
    """Print the tables of docs/decisions.md."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    parts = sys.argv[2:] or ["false", "power", "unseen"]
    if "unseen" in parts:
        write_unseen(runs)
    if "power" in parts:
        write_power(POPULATIONS["flights"](), runs)
    if "false" in parts:
        write_false("flights", runs)
        write_false("weather by hour", runs)


if __name__ == "__main__":
    main()
