"""The step that measures missing and unseen values."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.decisions.looks import level_of_look
from regrow.models.results import ModelFacts
from regrow.project import Project
from tasks import measure_quality as module
from tasks.measure_quality import measure_quality

ROWS = 400


def frame(missing: int = 0) -> pd.DataFrame:
    """Draw features of which *missing* rows lack their size, and a target that no window has."""
    size = [None] * missing + [1.0] * (ROWS - missing)
    return pd.DataFrame({"size": pd.Series(size, dtype=float), "colour": "red", "late": 0})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))


def champion(training: Snapshot, holdout: Snapshot) -> SimpleNamespace:
    return SimpleNamespace(
        facts=ModelFacts(
            project="m", kind="regression", id=None, timestamp=None, training=training, holdout=holdout
        )
    )


@pytest.mark.parametrize(("reference", "failed"), [("training", 1.0), ("holdout", 0.0)])
def test_the_window_is_held_against_the_reference_of_the_file(
    project: Callable[..., Project], remember: Callable[[ModuleType], Any], reference: str, failed: float
) -> None:
    """Half of a column missing fails beside a whole reference, not beside one that lacks as much; both are linked."""
    record, made = remember(module), project(monitoring={"reference": reference})
    whole, holed = write_snapshot(frame()), write_snapshot(frame(ROWS // 2))
    features = frame(ROWS // 2).drop(columns="late")
    window: Any = SimpleNamespace(
        read=lambda: SimpleNamespace(features=features, rows=features),
        shared_features=lambda _: list(features),
    )
    found = measure_quality.function(made, champion(whole, holed), window)  # pyright: ignore[reportArgumentType]
    assert found.figures["quality.columns"] == 2.0
    assert found.figures["quality.failed"] == failed == sum(finding.failed for finding in found.findings)
    assert {finding.subject for finding in found.findings} == {"quality"}
    assert record.metrics == found.figures
    assert record.inputs == {"window": window, "reference": whole if failed else holed}


def test_days_are_counted_on_both_sides_and_a_look_has_its_part_of_the_year(
    project: Callable[..., Project], remember: Callable[[ModuleType], Any]
) -> None:
    """The units are the file's, of the reference by its timestamps; the columns share what a look may err."""
    remember(module)
    source = {"kind": "csv", "path": "rows.csv"}
    made = project(data={"source": source, "target": "late", "timestamp": "at"}, monitoring={"window": "14d"})
    days = np.repeat(np.arange(40), 50)
    stormy = frame().iloc[:1].loc[np.zeros(2000, dtype=int)].reset_index(drop=True)
    stormy = stormy.assign(
        size=np.where(days % 7 == 0, np.nan, 1.0),
        at=pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(days, "D"),
    )
    snapshot = write_snapshot(stormy)
    newest = stormy.tail(700).reset_index(drop=True)
    features = newest[["size", "colour"]].assign(size=np.where(newest.index % 2 == 0, np.nan, 1.0))
    logged = SimpleNamespace(features=features, rows=pd.DataFrame({"event_time": newest["at"]}))
    window: Any = SimpleNamespace(read=lambda: logged, shared_features=lambda _: ["size", "colour"])
    found = measure_quality.function(made, champion(snapshot, snapshot), window).findings  # pyright: ignore[reportArgumentType]
    assert {(each.units, each.unit, each.rows) for each in found} == {(14, "day", 700)}
    questions = 2 + 2
    assert {each.confidence for each in found} == {1 - level_of_look(made) / questions}
    assert found[0].interval is not None
    assert found[0].interval[0] < 0.35 - 0.1, "days of the reference that lacked all make its share less sure"
