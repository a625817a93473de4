"""What of a past was known when."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from small_past import FILE, START, history_of, past_rows, project_of

from regrow.backtest.history import everything, require_replayable, thin, thin_rules
from regrow.base.errors import ProjectError


def test_a_label_is_known_after_its_delay(tmp_path: Path) -> None:
    """Two days of delay: what happened in the last two days is not learnt from, and is asked about instead."""
    history = history_of(project_of(tmp_path), past_rows())
    known = history.known(START)
    assert known["at"].max() < START - timedelta(days=2)
    asked = history.unknown(START, known)
    assert asked["at"].min() >= START - timedelta(days=2)
    assert len(known) + len(asked) == len(history.rows)


def test_a_label_of_then_is_not_that_of_today(tmp_path: Path) -> None:
    """A label that was told later is not there before."""
    history = history_of(project_of(tmp_path), past_rows())

    def told(frame: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
        return frame.assign(late=1 if as_of < START + timedelta(days=1) else 0)

    turning = type(history)(history.project, history.rows, told)
    assert turning.known(START)["late"].eq(1).all()
    assert turning.known(START + timedelta(days=1))["late"].eq(0).all()
    assert turning.digest(turning.known(START)) != history.digest(history.known(START))


def test_a_sample_has_its_share_of_each_day_and_so_have_the_rules(tmp_path: Path) -> None:
    """A quarter of the rows, the same ones each time, and a quarter of the rows that rules ask for."""
    rows = past_rows()
    some = thin(rows, 0.25)
    assert 500 < len(some) < 700
    assert some.equals(thin(rows, 0.25))
    assert some["at"].dt.date.nunique() > 115
    project = thin_rules(project_of(tmp_path), 0.1)
    assert (project.retraining.least_labels, project.monitoring.performance.least_rows) == (5, 5)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  timestamp: at\n", "", "data.timestamp"),
        ("{ kind: csv, path: rows.csv }", "{ kind: log, model: past }", "data.source"),
    ],
)
def test_a_past_without_times_or_rows_of_its_own_is_refused(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    """The error names the key."""
    text = FILE.replace(old, new)
    if told == "data.timestamp":
        text = text.replace("  label_delay: 2d\n  unit: hour\n", "")
    with pytest.raises(ProjectError, match=told):
        require_replayable(project_of(tmp_path, text))


def test_all_of_the_past_is_read_whatever_the_window(tmp_path: Path) -> None:
    """The window is that of each training, not of the backtest."""
    text = FILE.replace("window: 30d }", "window: 10d }")
    project = project_of(tmp_path, text)
    assert everything(project).training.reach is None
    history = history_of(project, past_rows())
    moment = datetime(2024, 3, 1, tzinfo=UTC)
    assert history.known(moment, project.training.reach)["at"].min() >= moment - timedelta(days=10)
