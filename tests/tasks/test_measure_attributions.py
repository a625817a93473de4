"""What columns add to the predictions of served rows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fitted_models import COLUMNS, fitted, frame

from regrow.base.verdict import Finding
from regrow.data.predictions import LoggedPredictions
from regrow.data.snapshots import write_snapshot
from regrow.models.stored import LoadedModel
from regrow.project import Project
from regrow.project.monitoring import AttributionRule
from tasks import measure_attributions as module

DATA = {
    "source": {"kind": "csv", "path": "rows.csv"},
    "target": "late",
    "timestamp": "at",
    "features": list(COLUMNS),
}


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """Fit a linear model of a target that the hour decides nearly alone."""
    return fitted("sklearn.linear_model.Ridge", {}, 0)


@pytest.fixture
def look(
    model: LoadedModel,
    project: Callable[..., Project],
    remember: Callable[[ModuleType], Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[..., Finding]:
    """Return what measures rows of a month, after a holdout of forty days, and returns the finding."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    remember(module)

    def measure(served: pd.DataFrame, version: int = 1, **data: object) -> Finding:
        rows = frame(2000)
        at = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(2000) // 50, "D")
        holdout = write_snapshot(rows.assign(at=at), "at")
        times = pd.Timestamp("2026-03-01", tz="UTC") + pd.to_timedelta(np.arange(len(served)) // 30, "D")
        logged = pd.DataFrame(
            {"version": version, "event_time": times, "request_id": None, "served_at": times}
        )
        facts = model.facts.model_copy(update={"holdout": holdout, "training": holdout})
        monkeypatch.setattr(module, "load_model", lambda _: replace(model, facts=facts))
        champion: Any = SimpleNamespace(number=1, model_id="m", facts=facts)
        window: Any = SimpleNamespace(read=lambda: LoggedPredictions(logged, served.reset_index(drop=True)))
        made = project(data=DATA | data)
        found = module.measure_attributions.function(made, champion, AttributionRule(), window)
        assert found.subject == "drift"
        return found.findings[0]

    return measure


def test_rows_like_those_of_the_holdout_come_from_the_same_columns(look: Callable[..., Finding]) -> None:
    """Nothing changed: the order of the columns is alike, and the rows that were explained are counted."""
    finding = look(frame(900))
    assert finding.passed and finding.rows == 500
    assert finding.figure is not None and finding.figure > 0.95


def test_rows_that_another_column_decides_are_told(look: Callable[..., Finding]) -> None:
    """If distances come in metres for kilometres, predictions come from them, and both columns are named."""
    finding = look(frame(900).assign(distance=frame(900)["distance"] * 1000))
    assert finding.failed and finding.noted, finding.detail
    assert "distance " in finding.detail and "hour " in finding.detail


@pytest.mark.parametrize(
    ("version", "data", "told"),
    [
        (2, {}, "no row was predicted by the champion"),
        (1, {"unit": "request"}, "the units of the reference are not known"),
    ],
)
def test_what_cannot_be_compared_concludes_nothing(
    look: Callable[..., Finding], version: int, data: dict[str, object], told: str
) -> None:
    """Rows of another version, and units that a table does not know, leave it undecided, and it says why."""
    finding = look(frame(900), version, **data)
    assert finding.undecided
    assert finding.detail == told


def test_a_model_that_is_not_explained_is_none_the_worse(
    look: Callable[..., Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra, or if nothing adds up, the finding is undecided and names the remedy."""
    monkeypatch.setattr("regrow.models.explaining.attributions.find_spec", lambda _: None)
    finding = look(frame(900))
    assert finding.undecided
    assert "pip install 'regrow[explain]'" in finding.detail
