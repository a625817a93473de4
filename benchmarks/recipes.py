"""Replay the flights' year offline under several recipes: what to train on, and whether the holdout is learnt too.

Usage: OMP_NUM_THREADS=1 python benchmarks/recipes.py [offsets [sample]]
(default 1: trainings on the 1st of April and every 30 days from then; more begin evenly within the first 30 days.
sample is the share of the flights of each day that is drawn; default 1)

Each recipe trains at each moment on what was known then, without gates, and predicts the flights of the 30 days that
follow. `chosen` takes the window that is best on the rows before the holdout, as `training.windows` does. Starts share
their days, so the standard error is that of the mean over the starts from one month to the next.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from regrow.backtest.history import thin
from regrow.data.sources import feature_columns
from regrow.decisions.splitting import part_rows
from regrow.models.fitting import fit_pipeline
from regrow.models.recipe import contract_of, weights_of
from regrow.models.training_rows import best_of, rows_of, try_windows
from regrow.project import Project, load_project
from regrow.project.training import TrainingWindow

FLIGHTS = Path(__file__).parents[1] / "configs" / "flights.yaml"
FIRST, LAST, MONTH = datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 12, 2, tzinfo=UTC), timedelta(days=30)
SHORT = TrainingWindow(window=timedelta(days=90))
WINDOWS = (
    SHORT,
    TrainingWindow(window=timedelta(days=180)),
    TrainingWindow(window="all"),
    TrainingWindow(window="all", half_life=timedelta(days=60)),
)
LISTS = {"chosen of four": WINDOWS, "chosen of 90d, all": (WINDOWS[0], WINDOWS[2])}
TODAY = "90d, not refitted"


@dataclass(frozen=True)
class Replay:
    """The year's rows and the project that trains on them."""

    project: Project
    rows: pd.DataFrame
    names: list[str]

    def known(self, as_of: datetime) -> pd.DataFrame:
        """Return the rows whose label was known at *as_of*."""
        times = self.rows[self.project.data.timestamp]
        return self.rows[(times < as_of - self.project.data.label_delay).to_numpy()].reset_index(drop=True)

    def auc(self, window: TrainingWindow, learnt: pd.DataFrame, as_of: datetime) -> float:
        """Return what a model of *learnt*, weighted as *window* says, reaches in the month after *as_of*."""
        data, times = self.project.data, self.rows[self.project.data.timestamp]
        contract = contract_of(self.project, learnt, self.names, frozenset(self.names))
        pipeline, _ = fit_pipeline(
            self.project.training, contract.read(learnt), learnt[data.target], True, FLIGHTS,
            weights=weights_of(self.project, window, learnt), timestamp=data.timestamp,
        )  # fmt: skip
        month = self.rows[((times >= as_of) & (times < as_of + MONTH)).to_numpy()]
        return float(roc_auc_score(month[data.target], pipeline.predict_proba(contract.read(month))[:, 1]))


@dataclass(frozen=True)
class Trained:
    """One recipe at one moment."""

    recipe: str
    month: int
    """How many months after the first training of its start."""
    auc: float
    seconds: float


def read_year(share: float) -> Replay:
    """Read a *share* of the flights that are not set aside, and the project of several windows."""
    project = load_project(FLIGHTS)
    rows = project.resolve("flights:load")(datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC))
    rows = rows[rows["late"].notna() & ~(rows["wind_speed"] > 100) & ~(rows["temp"] < -20)]
    rows = thin(rows.astype({"late": int}), share)
    training = project.training.model_copy(update={"window": None, "windows": WINDOWS})
    return Replay(
        project.model_copy(update={"training": training}), rows, feature_columns(project, list(rows))
    )


def train_all(replay: Replay, as_of: datetime) -> Iterator[tuple[str, float, float]]:
    """Yield each recipe's AUC of the month after *as_of*, and the processor's seconds that its training took."""
    project, known = replay.project, replay.known(as_of)
    timestamp, end = project.data.timestamp, known[project.data.timestamp].max()
    older, holdout = (known.iloc[part] for part in part_rows(known, project.data, 0, SHORT.length))
    spent: dict[str, float] = {}
    reached: dict[str, float] = {}
    for window in WINDOWS:
        for name, learnt in {"refitted": known, "not refitted": older}.items():
            began = time.process_time()
            reached[f"{window}, {name}"] = replay.auc(window, rows_of(window, learnt, timestamp, end), as_of)
            spent[f"{window}, {name}"] = time.process_time() - began
    for window in WINDOWS:
        spent[f"{window}, refitted"] += spent[f"{window}, not refitted"]
    for name, auc in reached.items():
        yield name, auc, spent[name]
    began = time.process_time()
    length = holdout[timestamp].max() - holdout[timestamp].min()
    trials = try_windows(project, older.reset_index(drop=True), replay.names, length)
    trying = time.process_time() - began
    for name, windows in LISTS.items():
        best = best_of([trial for trial in trials if trial.window in windows], "roc_auc").window
        print(f"{as_of:%Y-%m-%d} {name}: {best}", file=sys.stderr, flush=True)
        share = len(windows) / len(WINDOWS)
        yield name, reached[f"{best}, refitted"], spent[f"{best}, refitted"] + share * trying


def live_through(replay: Replay, start: datetime) -> Iterator[Trained]:
    """Yield what each recipe reaches that is trained at *start* and every month from then."""
    once = rows_of(SHORT, replay.known(start), replay.project.data.timestamp)
    as_of, month = start, 0
    while as_of <= LAST:
        for name, auc, spent in train_all(replay, as_of):
            yield Trained(name, month, auc, spent)
        began = time.process_time()
        auc = replay.auc(SHORT, once, as_of)
        yield Trained("trained once, 90d", month, auc, 0.0 if month else time.process_time() - began)
        as_of, month = as_of + MONTH, month + 1


def main() -> None:
    """Print the table."""
    offsets = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    replay = read_year(float(sys.argv[2]) if len(sys.argv) > 2 else 1.0)
    starts = [FIRST + MONTH * number / offsets for number in range(offsets)]
    found = pd.DataFrame([trained for start in starts for trained in live_through(replay, start)])
    by_month = found.pivot_table("auc", "month", "recipe", sort=False)
    means = found.groupby("recipe", sort=False)[["auc", "seconds"]].mean()
    gains = by_month.sub(by_month[TODAY], axis="index")
    errors = gains.std(ddof=1) / np.sqrt(len(gains))
    print("| recipe | mean AUC of a month | beside today's, ± standard error | CPU seconds a training |")
    print("|---|---|---|---|")
    for name, (auc, seconds) in means.iterrows():
        gain = auc - means["auc"][TODAY]
        print(f"| {name} | {auc:.4f} | {gain:+.4f} ± {errors[name]:.4f} | {seconds:.1f} |")


if __name__ == "__main__":
    main()
