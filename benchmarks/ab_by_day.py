"""Measure how often an A/B comparison errs on days that suit one version, and what it finds, by day and by row.

Usage: python benchmarks/ab_by_day.py [runs]     (default: 200 of every line, 15 minutes of one core)

Run r draws from `numpy.random.default_rng(r)`: 200 rows a day, of errors that vary by 1 and by 0.3 more from day to day
for both versions alike. Looks lie after every third day.
"""

import sys

import numpy as np

from regrow.base.verdict import Outcome
from regrow.decisions.rollout.analysis import conclude_ab
from regrow.decisions.rollout.evidence import Answers, Arm, Evidence, Pairs
from regrow.project import Ab, Unit

PER_DAY, SHARED = 200, 0.3
NONE = np.empty(0)
EVIDENCE = Evidence(Arm(0, 0, 0, NONE), Arm(0, 0, 0, NONE), Pairs(NONE, NONE, NONE, NONE.astype(np.bool_)))
LINES = [(30, 0.2, 0.0), (30, 0.0, 0.0), (15, 0.2, 0.0), (30, 0.0, 0.1), (30, 0.2, 0.2), (15, 0.0, 0.1)]
"""Days, by how much the versions' difference varies from day to day, and by how much the challenger is better."""


def compare(run: int, days: int, storms: float, gain: float, unit: Unit) -> Outcome:
    """Return how a comparison of at most *days* ends, or that it is still open."""
    random, rows = np.random.default_rng(run), days * PER_DAY
    day = np.arange(rows) // PER_DAY
    mine = random.random(rows) < 0.5
    errors = 3 + random.normal(size=rows) + SHARED * random.normal(size=days)[day]
    errors -= np.where(mine, gain - storms * random.normal(size=days)[day], 0)
    plan = Ab(kind="ab", metric="mae", least_rows=rows // 40, greatest_rows=int(0.485 * rows))
    outcome: Outcome = "hold"
    for seen in range(3, days + 1, 3):
        arms = [
            Answers(
                errors[arm],
                np.zeros(arm.sum()),
                np.ones(arm.sum(), dtype=np.bool_),
                unit=unit,
                units=day[arm] if unit == "day" else None,
            )
            for arm in (~mine & (day < seen), mine & (day < seen))
        ]
        outcome = conclude_ab(plan, *arms, EVIDENCE, "mae").outcome
        if outcome != "hold":
            break
    return outcome


def main(runs: int) -> None:
    """Print the table, a line as soon as it is known."""
    print(
        "| days | varies by day | truly better by | called better or worse, by day | by row |\n|---|---|---|---|---|"
    )
    for line in LINES:
        called = [
            sum(compare(run, *line, unit) in {"better", "worse"} for run in range(runs)) / runs
            for unit in ("day", "row")
        ]
        print(
            f"| {' | '.join(map(str, line))} | {' | '.join(f'{share:.1%}' for share in called)} |", flush=True
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
