"""Measure how often a rollout's analysis errs, and how soon it finds a bad challenger, by simulation.

Usage: python benchmarks/rollout.py [runs [case …]]     (default: 1000 of every case, 12 minutes of one core)

Run r of case c draws from `numpy.random.default_rng([c, r])`. Scores are normal with a champion's AUC of 0.75; the
two versions' noise is correlated by 0.9; 20 % of the labels are positive where nothing else is said.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri
from scipy.stats import binomtest

from regrow.base.verdict import Verdict
from regrow.decisions.rollout.analysis import analyse, conclude_ab
from regrow.decisions.rollout.evidence import Answers, Arm, Evidence, Pairs
from regrow.decisions.units import Units
from regrow.project import Ab, Canary, Shadow

Floats = NDArray[np.float64]
CLASSES = (False, True)
HOUR = timedelta(hours=1)
CANARY = Canary(kind="canary", weights=(0.05, 0.25, 0.5))
SHADOW = Shadow(kind="shadow", least_rows=1000)
COMPARISON = Ab(kind="ab", least_rows=1000, greatest_rows=20_000)


@dataclass(frozen=True)
class World:
    """What is true of the two versions in one case."""

    rows: int = 25_000
    positives: float = 0.2
    auc: float = 0.75
    loss: float = 0.0
    """AUC of the champion above the challenger's."""
    correlation: float = 0.9
    failures: tuple[float, float] = (0.001, 0.001)
    slower: float = 1.0
    weight: float = 0.05
    """Share of the rows that the challenger answers; both score all of them. 0: shadow."""
    slower_tail: float = 1.0
    """How many times as long the challenger takes on 3 % of its rows, the champion's slowest."""
    per_entity: int = 1
    """Rows of one entity, which share their label and four fifths of their noise's variance."""
    told: bool = True
    """Whether the analysis is told which rows are one entity's."""

    def draw(self, random: np.random.Generator) -> "Traffic":
        """Draw everything that arrives in one run."""
        entities = np.arange(self.rows) // self.per_entity
        target = (random.random(self.rows) < self.positives)[entities]
        noise = self._noise(random, entities)
        own = self.correlation * noise[0] + np.sqrt(1 - self.correlation**2) * noise[1]
        means = [np.sqrt(2) * ndtri(auc) for auc in (self.auc, self.auc - self.loss)]
        scores = [expit(mean * target + part) for mean, part in zip(means, (noise[0], own), strict=True)]
        failed = [random.random(self.rows) < rate for rate in self.failures]
        predictions = [
            np.where(lost[:, None], np.nan, np.column_stack([1 - score, score]))
            for score, lost in zip(scores, failed, strict=True)
        ]
        seconds = random.lognormal(np.log(0.01), 0.5, (2, self.rows)) * [[1.0], [self.slower]]
        seconds[1, seconds[1] > np.quantile(seconds[1], 0.97)] *= self.slower_tail
        mine = random.random(self.rows) < self.weight
        return Traffic(self, predictions, target, entities, seconds, mine)

    def _noise(self, random: np.random.Generator, entities: NDArray[np.int64]) -> Floats:
        """Draw two rows of standard normal noise, shared in part by the rows of an entity."""
        alone = random.normal(size=(2, self.rows))
        if self.per_entity == 1:
            return alone
        return np.sqrt(0.8) * random.normal(size=(2, self.rows))[:, entities] + np.sqrt(0.2) * alone


@dataclass(frozen=True)
class Traffic:
    """One run's rows, in order of arrival."""

    world: World
    predictions: list[Floats]
    target: NDArray[np.bool_]
    entities: NDArray[np.int64]
    seconds: Floats
    mine: NDArray[np.bool_]

    def pairs(self, rows: int) -> Pairs:
        """Return the first *rows*, which both scored."""
        old, new = (prediction[:rows] for prediction in self.predictions)
        told = self.world.per_entity > 1 and self.world.told
        units = Units(self.entities[:rows], "entity") if told else None
        return Pairs(old, new, self.target[:rows], np.ones(rows, dtype=np.bool_), units)

    def arm(self, version: int, rows: int) -> Arm:
        """Return how *version* ran on those of the first *rows* that were its own; in shadow all are both's."""
        own = self._own(version, rows)
        failed = np.isnan(self.predictions[version][:rows, 1]) & own
        return Arm(int(own.sum()), int(own.sum()), int(failed.sum()), self.seconds[version][:rows][own])

    def scored(self, version: int, rows: int) -> Answers:
        """Return *version*'s predictions of its own rows among the first *rows*."""
        own = self._own(version, rows)
        prediction = self.predictions[version][:rows][own]
        return Answers(prediction, self.target[:rows][own], np.ones(len(prediction), dtype=np.bool_))

    def _own(self, version: int, rows: int) -> NDArray[np.bool_]:
        if not self.world.weight:
            return np.ones(rows, dtype=np.bool_)
        return self.mine[:rows] if version else ~self.mine[:rows]

    def evidence(self, rows: int) -> Evidence:
        """Return all that a look at the first *rows* sees."""
        return Evidence(self.arm(0, rows), self.arm(1, rows), self.pairs(rows))


Look = Callable[[Traffic, int], Verdict]
ENDS = frozenset({"roll back", "better", "worse", "no difference"})


def rollout_look(plan: Shadow | Canary) -> Look:
    """Look as an open rollout does."""
    return lambda traffic, rows: analyse(plan, 0, traffic.evidence(rows), HOUR, "roc_auc", CLASSES)


def comparison_look(plan: Ab) -> Look:
    """Look as an A/B comparison does."""

    def look(traffic: Traffic, rows: int) -> Verdict:
        none = traffic.pairs(0)
        evidence = Evidence(traffic.arm(0, rows), traffic.arm(1, rows), none)
        return conclude_ab(
            plan, traffic.scored(0, rows), traffic.scored(1, rows), evidence, "roc_auc", CLASSES
        )

    return look


def often(last: int) -> list[int]:
    """Look at twelve moments spaced evenly in the logarithm, each 500 rows from there, each 1,500 from 10,000."""
    early = np.geomspace(100, 500, 12, endpoint=False).astype(int)
    looks = [*early.tolist(), *range(500, 10_000, 500), *range(10_000, 25_001, 1_500)]
    return [rows for rows in looks if rows <= last]


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    name: str
    world: World
    look: Look
    looks: list[int]
    found: frozenset[str]
    """Outcomes that count; a run ends at the first of them, or at the first of `ENDS`."""
    asked: str = ""


def count(case: Case, number: int, runs: int) -> list[int | None]:
    """Return for each run the rows after which a counted outcome came, or None."""
    return [_first(case, case.world.draw(np.random.default_rng([number, run]))) for run in range(runs)]


def _first(case: Case, traffic: Traffic) -> int | None:
    for rows in case.looks:
        outcome = case.look(traffic, rows).outcome
        if outcome in ENDS | case.found:
            return rows if outcome in case.found else None
    return None


BACK = frozenset({"roll back"})
EVERY_500 = list(range(500, 25_001, 500))
AB_LOOKS = [
    2_000,
    2_500,
    3_000,
    4_000,
    5_000,
    7_000,
    9_000,
    12_000,
    16_000,
    20_000,
    25_000,
    30_000,
    35_000,
    42_000,
]
AT_EVERY_LIMIT = World(rows=10_000, failures=(0.005, 0.015), slower=2.0, weight=0.25)
ALIKE, FOUND = "at most 5 %", "at least 90 %"
CANARY_LOOK, COMPARISON_LOOK = rollout_look(CANARY), comparison_look(COMPARISON)
CASES = [
    Case("equal, predictions of their own: rolled back", World(), CANARY_LOOK, often(25_000), BACK, ALIKE),
    Case(
        "equal, the same predictions: rolled back",
        World(rows=5_000, correlation=1.0),
        CANARY_LOOK,
        often(5_000),
        BACK,
        ALIKE,
    ),
    Case(
        "at every limit at once (1 % more failures, twice as slow, equal AUC): rolled back",
        AT_EVERY_LIMIT,
        CANARY_LOOK,
        often(10_000),
        BACK,
        ALIKE,
    ),
    Case("equal, 2 % positives: rolled back", World(positives=0.02), CANARY_LOOK, often(25_000), BACK, ALIKE),
    Case(
        "equal, entities of 5 dependent rows: rolled back",
        World(rows=10_000, per_entity=5),
        CANARY_LOOK,
        often(10_000),
        BACK,
        ALIKE,
    ),
    Case(
        "the same, told nothing of the entities: rolled back",
        World(rows=10_000, per_entity=5, told=False),
        CANARY_LOOK,
        often(10_000),
        BACK,
    ),
    Case("2 points of AUC worse: rolled back", World(loss=0.02), CANARY_LOOK, EVERY_500, BACK, FOUND),
    Case(
        "2 points worse, noise correlated by 0.5: rolled back",
        World(loss=0.02, correlation=0.5),
        CANARY_LOOK,
        EVERY_500,
        BACK,
        FOUND,
    ),
    Case(
        "2 points worse, each scoring its own half of 25,000 rows: called worse",
        World(rows=25_000, weight=0.5, loss=0.02),
        COMPARISON_LOOK,
        AB_LOOKS[:11],
        frozenset({"worse"}),
    ),
    Case(
        "5 % of the requests fail, in shadow: rolled back by the 500th",
        World(rows=500, failures=(0.0, 0.05), weight=0.0),
        rollout_look(SHADOW),
        list(range(25, 501, 25)),
        BACK,
        FOUND,
    ),
    Case(
        "5 % fail, answering 5 % of the rows: rolled back by its 500th",
        World(rows=10_000, failures=(0.0, 0.05)),
        CANARY_LOOK,
        EVERY_500[:20],
        BACK,
        FOUND,
    ),
    Case(
        "3 times as slow, answering 5 % of the rows: rolled back by its 500th",
        World(rows=10_000, slower=3.0),
        CANARY_LOOK,
        EVERY_500[:20],
        BACK,
    ),
    Case(
        "3 times as slow at its slowest 3 %, answering half of the rows: rolled back",
        World(weight=0.5, slower_tail=3.0),
        CANARY_LOOK,
        EVERY_500[::2],
        BACK,
    ),
    Case(
        "2 points of AUC better: advances with its 500th row",
        World(rows=12_000, loss=-0.02),
        CANARY_LOOK,
        EVERY_500[17:24],
        frozenset({"advance"}),
    ),
    Case(
        "A/B, equal: called better or worse",
        World(rows=42_000, weight=0.5),
        COMPARISON_LOOK,
        AB_LOOKS,
        frozenset({"better", "worse"}),
        ALIKE,
    ),
    Case(
        "A/B, 2 points better: called better",
        World(rows=42_000, weight=0.5, loss=-0.02),
        COMPARISON_LOOK,
        AB_LOOKS,
        frozenset({"better"}),
    ),
]


def line(case: Case, number: int, runs: int) -> str:
    """Run *case* and write its line of the table."""
    hits = [rows for rows in count(case, number, runs) if rows is not None]
    bounds = binomtest(len(hits), runs).proportion_ci(0.95, method="exact")
    median = f"{np.median(hits):,.0f}" if hits else ""
    share = f"{len(hits) / runs:.1%} ({bounds.low:.1%} to {bounds.high:.1%})"
    return f"| {case.name} | {len(case.looks)} | {share} | {median} | {case.asked} |"


def main(runs: int, numbers: list[int]) -> None:
    """Print the table, a line as soon as it is known."""
    start = time.process_time()
    print(f"{runs} runs of each case, seeds [case, run] from [0, 0]\n")
    print("| case | looks | share of the runs (95 % interval) | median rows | asked |\n|---|---|---|---|---|")
    for number in numbers or range(len(CASES)):
        print(line(CASES[number], number, runs), flush=True)
    print(f"\n{time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(given[0] if given else 1000, given[1:])
