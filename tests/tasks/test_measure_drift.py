"""How far the served rows and the predictions moved."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from model_facts import make_facts

from regrow.data.delta import TIME
from regrow.data.predictions import append_predictions
from regrow.data.snapshots import write_snapshot
from regrow.decisions.distances import measure_distances
from regrow.decisions.quality import judge_quality
from regrow.models.predictions import stack_predictions
from regrow.project import Monitoring, Project, QualityRule
from regrow.results import DriftFigures
from tasks import measure_drift as module
from tasks.measure_drift import judge_distances, name_figures, name_prediction, with_predictions
from tasks.read_window import find_window

OURS = (
    "_prediction",
    "prediction",
    "_event_time",
    "event_time",
    "version",
    "(prediction)",
    "columns",
    "share",
)
"""Names that a user may give a column, and that are ours elsewhere."""
START = datetime(2026, 1, 1)
FACTS = make_facts(project="m")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))


def log(frame: pd.DataFrame) -> None:
    """Log a prediction of each row of *frame*, one a minute."""
    times = pa.array([START + timedelta(minutes=i) for i in range(len(frame))], TIME)
    features = [pa.array(frame[name], pa.float64()) for name in frame]
    rows = {
        "prediction_id": [f"p{i}" for i in range(len(frame))],
        "event_time": times,
        "served_at": times,
        "version": pa.array([1] * len(frame), pa.int64()),
        "features": pa.StructArray.from_arrays(features, list(frame)),
        "prediction": pa.array([[float(i)] for i in range(len(frame))], pa.list_(pa.float64())),
    }
    append_predictions("m", pa.table(rows), "test")


def test_a_column_may_have_any_name() -> None:
    """Features that are named like what Regrow logs or reports are watched like any other, and hide nothing of it."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({name: draw.normal(size=400) for name in OURS})
    log(frame)
    window = find_window("m", START, START + timedelta(days=1), 1000)
    logged = window.read()
    reference = write_snapshot(frame.assign(late=0.0))
    columns = window.shared_features(reference)
    assert columns == list(OURS)
    features = logged.features[columns]
    assert len(judge_quality(reference.read(columns), features, QualityRule())) == len(OURS)

    rule, name = Monitoring(), name_prediction(columns)
    served = stack_predictions(logged.rows["prediction"], FACTS)
    assert sorted(served) == list(range(400))
    one, other = (with_predictions(frame[columns], rows, name, FACTS) for rows in (served + 1e6, served))
    distances = measure_distances(one, other, "psi", dict.fromkeys([*columns, name], 0.2))
    moved = distances.values.pop(name)
    assert moved > 1 > max(distances.values.values())
    figures = name_figures(distances.values, moved, rule)
    assert len(figures) == len(OURS) + 3
    assert (figures["drift.columns"], figures["prediction_drift"]) == (0.0, moved)
    data, prediction = judge_distances(distances.values, moved, 400, 400, rule)
    assert data.figure == 0
    assert prediction.figure == moved


def test_names_that_mlflow_writes_alike_keep_a_figure_each() -> None:
    """Two columns that differ only in what MLflow takes in no name are both measured and both kept."""
    figures = name_figures({"a(b": 0.1, "a)b": 0.3}, None, Monitoring())
    columns = {name: figure for name, figure in figures.items() if name.startswith("drift.column.")}
    assert sorted(columns.values()) == [0.1, 0.3]


def test_a_window_holds_row_for_row_what_was_logged() -> None:
    """The features of a window stand in the order of its predictions."""
    log(pd.DataFrame({"size": np.arange(50.0)}))
    logged = find_window("m", START, START + timedelta(days=1), 20).read()
    assert [value[0] for value in logged.rows["prediction"]] == logged.features["size"].tolist()
    assert len(logged.features) == 20


@pytest.mark.parametrize(
    ("shift", "asked", "written"), [(0.0, "alarm", False), (9.0, "alarm", True), (0.0, "always", True)]
)
def test_the_page_is_written_on_an_alarm_or_if_the_file_asks(
    project: Callable[..., Project],
    remember: Callable[[ModuleType], Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    shift: float,
    asked: str,
    written: bool,
) -> None:
    """The figures are kept each time, and the page can be drawn from them later, from the rows of that moment."""
    frame, record = pd.DataFrame({"size": np.random.default_rng(0).normal(size=400)}), remember(module)
    reference = write_snapshot(frame)
    log(frame + shift)
    champion: Any = SimpleNamespace(number=1, facts=FACTS.model_copy(update={"training": reference}))
    monkeypatch.setattr(module, "predict_holdout", lambda *_: np.arange(400.0))
    made = project(monitoring={"report": asked})
    window = find_window("m", START, START + timedelta(days=1), 1000)
    found = module.measure_drift.function(made, champion, window)
    assert ("report" in record.tags) == written == ("report.html" in record.files)
    figures = DriftFigures.model_validate_json(record.files["drift.json"])
    assert figures.columns == {"size": found.figures["drift.column.size"]}
    assert module.draw_again(champion, figures, tmp_path / "again.html") == 400
    assert "size" in (tmp_path / "again.html").read_text()
