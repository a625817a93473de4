"""A small past of 120 days to live through, and the trainings that it asked for."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regrow.backtest.answers import Kept
from regrow.backtest.history import History
from regrow.backtest.policies import make_policies
from regrow.backtest.replay import Story, Timetable, Workshop, timetables
from regrow.project import Project, load_project

START, END = datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 4, 30, tzinfo=UTC)
MONTH = timedelta(days=30)
FILE = """
name: past
data:
  source: { kind: csv, path: rows.csv }
  target: late
  timestamp: at
  id: id
  label_delay: 2d
  unit: hour
training: { estimator: sklearn.linear_model.LogisticRegression, window: 30d }
evaluation: { primary: roc_auc }
monitoring:
  window: 30d
  performance: { tolerance: 0.02, least_rows: 50 }
  drift: { least_rows: 50 }
retraining: { cooldown: 1d, least_labels: 50 }
"""


def past_rows(turn: int = 60, count: int = 2400) -> pd.DataFrame:
    """Draw *count* rows over 120 days; from the day *turn* on `size` means the opposite, and its values lie higher."""
    random = np.random.default_rng(1)
    at = pd.date_range("2024-01-01", "2024-04-30", periods=count + 1, tz="UTC", inclusive="left")
    turned = (at >= pd.Timestamp("2024-01-01", tz="UTC") + timedelta(days=turn)).astype(int)
    size = random.normal(size=count) + 3 * turned
    late = (1 - 2 * turned) * (size - 3 * turned) + random.normal(scale=0.7, size=count) > 0
    return pd.DataFrame(
        {"id": [f"r{place}" for place in range(count)], "at": at, "size": size, "late": late.astype(int)}
    )


def project_of(folder: Path, text: str = FILE) -> Project:
    """Write the project file into *folder*."""
    path = folder / "past.yaml"
    path.write_text(text)
    return load_project(path)


def history_of(project: Project, rows: pd.DataFrame) -> History:
    """Return *rows* as a past whose labels never change."""
    return History(project, rows.reset_index(drop=True), lambda frame, _: frame)


def take_all(_: Project, frame: pd.DataFrame) -> pd.DataFrame:
    """Accept every row."""
    return frame


class Counting:
    """Works on chunks here, and counts them; dies after *most* of them."""

    def __init__(self, most: int = 10**6) -> None:
        self.moments: list[datetime] = []
        self.most = most

    def __call__(self, work: Any, chunks: Iterable[Any], /) -> Iterator[Any]:
        """Yield what *work* answers."""
        for job in chunks:
            if len(self.moments) == self.most:
                raise KeyboardInterrupt
            self.moments.append(job.as_of)
            yield work(job)


def live(
    history: History,
    folder: Path,
    whens: tuple[str, ...],
    each: Counting | None = None,
    gates: tuple[str, ...] = ("none",),
    tables: tuple[Timetable, ...] = (),
) -> tuple[list[Story], Kept]:
    """Live through the past under *whens* with *gates*, and the file's own; return it with the answers."""
    kept = Kept(folder)
    policies = make_policies(history.project, whens, ["file"], gates)
    workshop = Workshop(history, kept, take_all, each or Counting())
    return workshop.run(policies, tables or timetables(START, END, MONTH, 1), [0]), kept
