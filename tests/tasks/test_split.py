"""Two snapshots of the accepted rows: what trains, and what is held out."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

import tasks.split
from regrow.data.snapshots import write_snapshot
from regrow.project import Project


def test_parts_are_snapshots_of_the_accepted_rows(
    project: Callable[..., Project],
    remember: Callable[[ModuleType], object],
    recent: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The newest fifth is held out, nothing is lost, and each part has its time range."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "state"))
    remember(tasks.split)
    parts = tasks.split.split.function(project(recent), write_snapshot(recent, "at"))
    assert (parts.training.rows, parts.holdout.rows, parts.known.rows) == (480, 120, 600)
    assert parts.training.end is not None
    assert parts.holdout.start is not None
    assert parts.training.end < parts.holdout.start
    pd.testing.assert_frame_equal(
        pd.concat([parts.training.read(), parts.holdout.read()], ignore_index=True), recent
    )


def test_a_holdout_that_can_prove_nothing_is_said_before_the_fit(
    project: Callable[..., Project], recent: pd.DataFrame
) -> None:
    """The rows of eight days are a remark with what to do; those of twelve are none."""
    data = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "timestamp": "at"}
    made = project(recent, data=data)
    remark = tasks.split.judge_held_out(made, recent[-80:])
    assert remark is not None
    assert "8 days of 10 that it takes" in remark.detail or "9 days of 10 that it takes" in remark.detail
    assert tasks.split.judge_held_out(made, recent[-120:]) is None
