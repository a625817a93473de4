"""Replay a rollout's metric rule on the flights by day: how often it errs, and how soon it finds a bad challenger.

Usage: OMP_NUM_THREADS=1 python benchmarks/rollout_by_day.py FOLDER [runs]     (default: 60 of each pair of models)

Models are fitted once, and what they say of June to December is kept in FOLDER. A run draws 30 whole days, at random
or in a row, and looks at them after every third. A challenger is *no better and no worse* if the margin is its true
loss, over all days; it is worse by so much if the margin lies so much above. Predictions are rounded to 256 steps, so
that sums by day hold all that the area under the ROC curve needs. The rule by row is the one of before 0.4.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regrow.decisions.rollout.evidence import Pairs
from regrow.decisions.rollout.harm import judge_harm
from regrow.decisions.rollout.sequential import log_evidence_of_loss, lower_excess, standard_errors
from regrow.decisions.units import Units

Floats = NDArray[np.float64]
MONTHS = {
    "Jan-Feb": (1, 2), "Jan-Mar": (1, 3), "Feb-Apr": (2, 4), "Mar-May": (3, 5), "Apr-May": (4, 5), "Jan-May": (1, 5),
}  # fmt: skip
SHUFFLED = {"shuffled, Mar-May": (3, 5), "shuffled, Jan-May": (1, 5)}
EQUALS = (
    ("Jan-Mar", "Feb-Apr"), ("Feb-Apr", "Mar-May"), ("Mar-May", "Jan-May"), ("Jan-Feb", "Apr-May"),
    ("Mar-May", "Jan-Mar"),
)  # fmt: skip
BAD = (("Mar-May", "shuffled, Mar-May"), ("Jan-May", "shuffled, Jan-May"))
WORSE = (0.0, -0.01, 0.02, 0.05, 0.1)
"""By how much the true loss exceeds the margin; if negative, the challenger is equal and the margin so wide."""
STEPS, DAYS, LOOKS, ALPHA = 256, 30, range(3, 31, 3), 0.01
LIMIT = 0.01


def predictions(folder: Path) -> dict[str, NDArray[np.generic]]:
    """Return the labels, the days and what each model says of them, from *folder* or fitted now."""
    kept = folder / "rollout_by_day.npz"
    if kept.exists():
        return dict(np.load(kept))
    from real_tables import read_flights

    from regrow.models.fitting import fit_pipeline

    read = read_flights()
    features, times, late = read.features, read.times, read.late
    month, random = times.dt.month, np.random.default_rng(0)
    unseen = (month >= 6).to_numpy()
    said: dict[str, NDArray[np.generic]] = {}
    for name, (first, last) in {**MONTHS, **SHUFFLED}.items():
        known = month.between(first, last)
        target = late[known]
        if name in SHUFFLED:
            target = target.sample(frac=1, random_state=random.integers(2**31)).set_axis(target.index)
        model, _ = fit_pipeline(read.project.training, features[known], target)
        said[name] = model.predict_proba(features[unseen])[:, 1]
    day = times[unseen].dt.floor("D").astype("int64").to_numpy()
    said |= {"late": late[unseen].to_numpy(), "day": np.unique(day, return_inverse=True)[1]}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(kept, **said)
    return said


class Side:
    """What one model says, in tables of days and steps for late flights and others, and row by row."""

    def __init__(self, score: Floats, late: NDArray[np.bool_], day: NDArray[np.int64]) -> None:
        self.step = np.searchsorted(np.quantile(score, np.linspace(0, 1, STEPS + 1)[1:-1]), score)
        days = int(day.max()) + 1
        self.above, self.below = (
            np.bincount(day[of] * STEPS + self.step[of], minlength=days * STEPS).reshape(days, STEPS)
            for of in (late, ~late)
        )

    def pulls(self, days: NDArray[np.int64]) -> tuple[float, Floats, Floats, Floats]:
        """Return the area on *days*, how far each day pulls it, and how far a late flight and another of a step do."""
        above, below = self.above[days], self.below[days]
        ups, downs = above.sum(axis=0), below.sum(axis=0)
        beaten = (np.cumsum(downs) - downs / 2) / downs.sum()
        lost = 1 - (np.cumsum(ups) - ups / 2) / ups.sum()
        area = float(ups @ beaten / ups.sum())
        late, other = (beaten - area) / ups.sum(), (lost - area) / downs.sum()
        return area, above @ late + below @ other, late, other


class Pair:
    """Champion and challenger on the same days."""

    def __init__(self, said: dict[str, NDArray[np.generic]], names: tuple[str, str]) -> None:
        self.late, self.day = said["late"].astype(bool), said["day"].astype(np.int64)
        self.scores = [said[name].astype(np.float64) for name in names]
        self.old, self.new = (Side(score, self.late, self.day) for score in self.scores)
        self.sizes = np.bincount(self.day)
        self.rows = np.split(np.argsort(self.day, kind="stable"), np.cumsum(self.sizes)[:-1])
        self.loss = -self.seen(np.arange(len(self.sizes)))[0]

    def seen(self, days: NDArray[np.int64]) -> tuple[float, Floats, Floats]:
        """Return the gain on *days*, how far each pulls it, and its share of the rows."""
        old, new = self.old.pulls(days), self.new.pulls(days)
        return new[0] - old[0], new[1] - old[1], self.sizes[days] / self.sizes[days].sum()

    def by_row(self, days: NDArray[np.int64]) -> tuple[float, float, int]:
        """Return the gain on *days*, its standard error as if each row stood alone, and the rows."""
        rows = np.concatenate([self.rows[day] for day in days])
        old, new, late = self.old.pulls(days), self.new.pulls(days), self.late[rows]
        pulled = np.where(late, new[2][self.new.step[rows]], new[3][self.new.step[rows]]) - np.where(
            late, old[2][self.old.step[rows]], old[3][self.old.step[rows]]
        )
        return new[0] - old[0], float(np.sqrt(np.sum(pulled**2))), len(rows)

    def check(self) -> None:
        """See that the sums by day say what the rule itself says of the rows."""
        days = np.arange(20)
        rows = np.concatenate([self.rows[day] for day in days])
        sides = [np.column_stack([1 - score[rows], score[rows]]) for score in self.scores]
        pairs = Pairs(
            *sides, self.late[rows], np.ones(len(rows), dtype=np.bool_), Units(self.day[rows], "day")
        )
        gain, pulled, shares = self.seen(days)
        for margin in (0.0, -gain):
            found = judge_harm(pairs, "roc_auc", (False, True), margin, ALPHA)
            proven = log_evidence_of_loss(pulled + shares * (gain + margin)) >= -np.log(ALPHA)
            if abs((found.figure or 0) - gain) > 1e-3 or found.failed != proven:
                raise SystemExit(f"the sums by day say {gain:+.4f}, {proven}; the rule says {found}")


def first(pair: Pair, days: NDArray[np.int64], margin: float, *, by_row: bool) -> int:
    """Return the days after which the challenger is rolled back; 0: never."""
    for count in LOOKS:
        if by_row:
            gain, error, rows = pair.by_row(days[:count])
            failed = gain + error * standard_errors(rows, ALPHA, 10_000) < -margin
        else:
            gain, pulled, shares = pair.seen(days[:count])
            failed = log_evidence_of_loss(pulled + shares * (gain + margin)) >= -np.log(ALPHA)
        if failed:
            return count
    return 0


def draws(pair: Pair, runs: int, *, contiguous: bool) -> list[NDArray[np.int64]]:
    """Draw the days of each run."""
    random, there = np.random.default_rng(contiguous), len(pair.sizes)
    if contiguous:
        return [random.integers(there + 1 - DAYS) + np.arange(DAYS) for _ in range(runs)]
    return [random.integers(there, size=DAYS) for _ in range(runs)]


def told(found: list[int]) -> str:
    """Write the share of the runs that were rolled back, with one standard error, and the median day."""
    share, hits = np.mean(np.array(found) > 0), [day for day in found if day]
    error = np.sqrt(max(share * (1 - share), 1 / len(found)) / len(found))
    return f"{share:.1%} ± {error:.1%}" + (f", day {np.median(hits):.0f}" if hits else "")


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
        error = np.sqrt(max(found[weight] / runs * (1 - found[weight] / runs), 1 / runs) / runs)
        print(f"whole requests at the limit, stated 5 %, by {name}: {found[weight] / runs:.1%} ± {error:.1%}")


def main(folder: Path, runs: int) -> None:
    """Print the tables of docs/rollout-statistics.md, a line as soon as it is known."""
    said = predictions(folder)
    equals, bad = [Pair(said, names) for names in EQUALS], [Pair(said, names) for names in BAD]
    equals[0].check()
    bad[0].check()
    print("| days drawn | challenger | rolled back by day | the same by row |\n|---|---|---|---|")
    for contiguous in (False, True):
        way = "in a row" if contiguous else "at random"
        for worse in WORSE:
            by_day = [
                first(pair, days, pair.loss - worse, by_row=False)
                for pair in equals
                for days in draws(pair, runs, contiguous=contiguous)
            ]
            by_row = [
                first(pair, days, pair.loss, by_row=True)
                for pair in equals
                for days in draws(pair, max(runs // 4, 1), contiguous=contiguous)
                if not worse
            ]
            name = f"worse by {worse:g}" if worse > 0 else f"equal, harm margin {abs(worse):g}"
            print(f"| {way} | {name} | {told(by_day)} | {told(by_row) if by_row else ''} |", flush=True)
        found = [
            first(pair, days, 0.0, by_row=False)
            for pair in bad
            for days in draws(pair, runs, contiguous=contiguous)
        ]
        late = sum(day == 0 or day > 20 for day in found)
        print(
            f"| {way} | shuffled labels | {told(found)}; later than day 20: {late} of {len(found)} | |",
            flush=True,
        )
    whole_requests(2 * runs)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 60)
