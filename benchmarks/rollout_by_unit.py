"""Replay a rollout's metric rule by unit, on three tables: how often it errs, how soon it finds a bad challenger.

Usage: OMP_NUM_THREADS=1 python benchmarks/rollout_by_unit.py [runs]     (default: 400 of each pair, some minutes)

Models are fitted once. A run draws whole units from those that no model was trained on, and looks at them again and
again as they come: 30 days, at random or in a row, after every third; or 1,500 households, which have no order in time
and so are drawn at random alone, after every 150. A challenger is *no better and no worse* if the margin is its true
loss, over all units; it is worse by so much if the margin lies so much above. The rule by row is the one of before 0.4.
"""

import sys
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from gates import WINDOWS, Floats, Table, doctors, flights, weather
from monitoring import error_of
from numpy.typing import NDArray

from regrow.decisions.rollout.evidence import Pairs
from regrow.decisions.rollout.harm import STEP, judge_harm
from regrow.decisions.rollout.sequential import log_evidence_of_loss, lower_excess, standard_errors
from regrow.decisions.units import Units

ALPHA, LIMIT = 0.01, 0.01
MONTHS = {**WINDOWS, "Jan-Feb": (1, 2), "Apr-May": (4, 5)}
EQUALS = (
    ("Jan-Mar", "Feb-Apr"), ("Feb-Apr", "Mar-May"), ("Mar-May", "Jan-May"), ("Jan-Feb", "Apr-May"),
    ("Mar-May", "Jan-Mar"),
)  # fmt: skip


@dataclass(frozen=True)
class Rollout:
    """Pairs of models on one table, and how a rollout of them is looked at."""

    table: Table
    broken: tuple[str, ...]
    """Models that are also fitted on shuffled labels, and challenge themselves so."""
    units: int
    looks: range
    worse: tuple[float, ...]
    """By how much the true loss exceeds the margin; if negative, the challenger is equal and the margin so wide."""

    @property
    def step(self) -> int:
        """Units that enter together: a period alone, others by `STEP`."""
        return STEP if self.table.unit == "entity" else 1

    def draw(self, random: np.random.Generator, contiguous: bool) -> NDArray[np.int64]:
        """Draw the units of a run, in their order."""
        there = int(self.table.units.max()) + 1
        if contiguous:
            return random.integers(there + 1 - self.units) + np.arange(self.units)
        return random.integers(there, size=self.units)


@dataclass(frozen=True)
class Looks:
    """What one run's looks see: the units so far, the gain, the steps' pulls and their shares."""

    seen: list[tuple[int, float, Floats, Floats]]
    by_row: list[float]
    """The loss that is proven at each look, if each row stood alone; of a quarter of the runs, for it takes long."""

    def first(self, margin: float) -> int:
        """Return the units after which a loss of more than *margin* is proven; 0: never."""
        for count, gain, pulled, shares in self.seen:
            if log_evidence_of_loss(pulled + shares * (gain + margin)) >= -np.log(ALPHA):
                return count
        return 0

    def first_by_row(self, margin: float) -> int:
        """Return the same by the rule that takes rows for independent."""
        proven = (look[0] for look, loss in zip(self.seen, self.by_row, strict=True) if loss > margin)
        return next(proven, 0)


def look(rollout: Rollout, pair: tuple[str, str], runs: int, contiguous: bool) -> tuple[float, list[Looks]]:
    """Return the true loss of a *pair*'s challenger, and what each run's looks see."""
    draw, random = rollout.table.prepare(pair), np.random.default_rng(contiguous)
    found = []
    for run in range(runs):
        units, seen, by_row = rollout.draw(random, contiguous), [], []
        for count in rollout.looks:
            held = draw(units[:count])
            steps = np.arange(count) // rollout.step
            pulled, sizes = (np.bincount(steps, each) for each in (held.pulls, held.sizes))
            seen.append((count, held.figure, pulled, sizes / sizes.sum()))
            if run % 4 == 0:
                rows = int(held.sizes.sum())
                by_row.append(-held.figure - np.sqrt(held.alone()) * standard_errors(rows, ALPHA, 10_000))
        found.append(Looks(seen, by_row))
    return -draw(np.arange(int(rollout.table.units.max()) + 1)).figure, found


def check(rollout: Rollout, pair: tuple[str, str]) -> None:
    """Raise `AssertionError` if the sums by unit say anything else than the rule itself says of the rows."""
    table, count = rollout.table, 20 * rollout.step
    rows = np.flatnonzero(table.units < count)
    champion, challenger = table.answers(pair, rows)
    whole, units = np.ones(len(rows), dtype=np.bool_), Units(table.units[rows], table.unit)
    pairs = Pairs(champion, challenger, table.target[rows], whole, units)
    held, steps = table.prepare(pair)(np.arange(count)), np.arange(count) // rollout.step
    pulled, sizes = np.bincount(steps, held.pulls), np.bincount(steps, held.sizes)
    for margin in (0.0, -held.figure):
        found = judge_harm(pairs, table.metric, table.classes, margin, ALPHA)
        evidence = log_evidence_of_loss(pulled + sizes / sizes.sum() * (held.figure + margin))
        assert found.figure is not None  # noqa: S101
        np.testing.assert_allclose(found.figure, held.figure, atol=2e-3)
        assert found.failed == (evidence >= -np.log(ALPHA)), f"{found}, by sums {evidence}"  # noqa: S101


def told(found: list[int]) -> str:
    """Write the share of the runs that were rolled back, with one standard error, and the median unit."""
    share, hits = float(np.mean(np.array(found) > 0)), [count for count in found if count]
    return f"{share:.1%} ± {error_of(share, len(found)):.1%}" + (f", {np.median(hits):.0f}" if hits else "")


def write(rollout: Rollout, runs: int) -> None:
    """Print the lines of a table."""
    table = rollout.table
    check(rollout, table.pairs[0])
    for contiguous in [False] if table.unit == "entity" else [False, True]:
        start = f"| {table.name} | {'in a row' if contiguous else 'at random'} |"
        looked = [look(rollout, pair, runs, contiguous) for pair in table.pairs]
        for worse in rollout.worse:
            name = f"worse by {worse:g}" if worse > 0 else f"equal, harm margin {abs(worse):g}"
            by_unit = [[each.first(loss - worse) for each in seen] for loss, seen in looked]
            worst = max(np.mean(np.array(found) > 0) for found in by_unit)
            by_row = [each.first_by_row(loss) for loss, seen in looked for each in seen if each.by_row]
            rest = f"{worst:.1%} | {'' if worse else told(by_row)}"
            print(f"{start} {name} | {told([*chain(*by_unit)])} | {rest} |", flush=True)
        looked = [look(rollout, (name, f"shuffled, {name}"), runs, contiguous) for name in rollout.broken]
        found = [each.first(0.0) for _, seen in looked for each in seen]
        late = sum(count == 0 or count > rollout.units * 2 / 3 for count in found)
        print(
            f"{start} shuffled labels | {told(found)}; later than two thirds: {late} of {len(found)} | | |",
            flush=True,
        )


def whole_requests(runs: int) -> None:
    """Print how often failures of requests of 100 rows that fail whole, at the limit of 1 %, are called an excess."""
    found = {1: 0, 100: 0}
    for run in range(runs):
        failed = np.cumsum(np.random.default_rng(run).random(400) < LIMIT)
        for weight in found:
            found[weight] += any(
                lower_excess(weight * failed[count - 1], 0, weight * count, 0.05) > LIMIT
                for count in range(50, 401, 50)
            )
    for weight, name in ((1, "request"), (100, "row")):
        share = found[weight] / runs
        print(
            f"whole requests at the limit, stated 5 %, by {name}: {share:.1%} ± {error_of(share, runs):.1%}"
        )


def main(runs: int) -> None:
    """Print the tables of docs/rollout-statistics.md, a line as soon as it is known."""
    print(
        "| table | units drawn | challenger | rolled back by unit | worst pair | by row |\n|---|---|---|---|---|---|"
    )
    areas, late = (0.0, -0.01, 0.02, 0.05, 0.1), ("Mar-May", "Jan-May")
    days = replace(flights(MONTHS, late), pairs=EQUALS)
    write(Rollout(days, late, 30, range(3, 31, 3), areas), runs)
    trees = ("trees, 10 days",)
    write(Rollout(weather(trees), trees, 30, range(3, 31, 3), (0.0, -0.1, 0.2, 0.5, 1.0)), runs)
    halves = ("logistic, a half", "trees, a half")
    write(Rollout(doctors(halves), halves, 1_500, range(150, 1_501, 150), areas), runs)
    whole_requests(2 * runs)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
