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
from regrow.decisions.quality import judge_quality
from regrow.models.results import DriftFigures
from regrow.project import Monitoring, Project, QualityRule
from tasks import measure_drift as module
from tasks.measure_drift import compare, name_figures
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


def test_a_column_may_have_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
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

    champion: Any = SimpleNamespace(number=1, facts=FACTS)
    monkeypatch.setattr(module, "predict_holdout", lambda *_: (frame, np.arange(400.0) + 1e6, None))
    found = compare(champion, window.read(), reference, columns, "psi", (0.2, 0.2), 1000)
    assert list(found.columns) == list(OURS)
    assert found.prediction is not None
    assert found.prediction.figure > 1 > max(move.figure for move in found.columns.values())
    values = {name: move.figure for name, move in found.columns.items()}
    figures = name_figures(values, found.prediction.figure, (found.name,))
    assert len(figures) == len(OURS) + 3
    assert (figures["drift.columns"], figures["prediction_drift"]) == (0.0, found.prediction.figure)
    data, prediction = found.judge(400, Monitoring(), (found.name,))
    assert data.passed
    assert prediction.failed


def test_names_that_mlflow_writes_alike_keep_a_figure_each() -> None:
    """Two columns that differ only in what MLflow takes in no name are both measured and both kept."""
    figures = name_figures({"a(b": 0.1, "a)b": 0.3}, None, ())
    columns = {name: figure for name, figure in figures.items() if name.startswith("drift.column.")}
    assert sorted(columns.values()) == [0.1, 0.3]


def test_a_window_holds_row_for_row_what_was_logged() -> None:
    """The features of a window stand in the order of its predictions."""
    log(pd.DataFrame({"size": np.arange(50.0)}))
    logged = find_window("m", START, START + timedelta(days=1), 20).read()
    assert [value[0] for value in logged.rows["prediction"]] == logged.features["size"].tolist()
    assert len(logged.features) == 20


@pytest.mark.parametrize(
    ("shift", "asked", "written"),
    [
        (0.0, {"report": "drift", "drift": {"alarm": True}}, False),
        (9.0, {}, False),
        (9.0, {"drift": {"alarm": True}}, True),
        (9.0, {"report": "drift"}, True),
        (0.0, {"report": "always"}, True),
    ],
)
def test_the_page_is_written_on_an_alarm_or_if_the_file_asks(
    project: Callable[..., Project],
    remember: Callable[[ModuleType], Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    shift: float,
    asked: dict[str, Any],
    written: bool,
) -> None:
    """The figures are kept each time, and the page can be drawn from them later, from the rows of that moment."""
    frame, record = pd.DataFrame({"size": np.random.default_rng(0).normal(size=400)}), remember(module)
    reference = write_snapshot(frame)
    log(frame + shift)
    champion: Any = SimpleNamespace(number=1, facts=FACTS.model_copy(update={"training": reference}))
    monkeypatch.setattr(module, "predict_holdout", lambda *_: (frame, np.arange(400.0), None))
    made = project(monitoring=asked)
    window = find_window("m", START, START + timedelta(days=1), 1000)
    found = module.measure_drift.function(made, champion, window)
    assert ("report" in record.tags) == written == ("report.html" in record.files)
    figures = DriftFigures.model_validate_json(record.files["drift.json"])
    assert figures.columns == {"size": found.figures["drift.column.size"]}
    assert figures.drifted == (("size",) if shift else ())
    assert all(finding.noted for finding in found.findings) or "alarm" in asked.get("drift", {})
    assert module.draw_again(champion, figures, tmp_path / "again.html") == 400
    assert "size" in (tmp_path / "again.html").read_text()


@pytest.mark.parametrize(
    ("drift", "drifted", "told"),
    [
        ({}, {"ice", "temp"}, "2 of 2 columns drifted by psi"),
        ({"context": ["temp"]}, set(), "given temp, which explains ice"),
        ({"context": ["gone"]}, set(), "`gone` not among the features"),
    ],
)
def test_what_a_given_context_explains_is_no_drift(
    project: Callable[..., Project],
    remember: Callable[[ModuleType], Any],
    monkeypatch: pytest.MonkeyPatch,
    drift: dict[str, Any],
    drifted: set[str],
    told: str,
) -> None:
    """A column that follows its context is told apart from one that moved; a context that was not logged is named."""
    record, random = remember(module), np.random.default_rng(0)
    temp = random.normal(size=2000)
    frame = pd.DataFrame({"temp": temp, "ice": temp + 0.5 * random.normal(size=2000)})
    warm = frame["temp"] > 0.5
    log(frame[warm].reset_index(drop=True))
    reference = write_snapshot(frame)
    champion: Any = SimpleNamespace(number=1, facts=FACTS.model_copy(update={"training": reference}))
    monkeypatch.setattr(module, "predict_holdout", lambda *_: (frame, np.arange(2000.0), None))
    made = project(monitoring={"drift": drift})
    window = find_window("m", START, START + timedelta(days=2), 2000)
    found = module.measure_drift.function(made, champion, window)
    figures = DriftFigures.model_validate_json(record.files["drift.json"])
    assert set(figures.drifted) - {"(prediction)"} == drifted
    assert told in found.findings[0].detail
    assert found.findings[0].undecided == ("gone" in told)
    assert figures.columns["temp"] > 0.5, "the distance of the context itself is kept"
    assert (figures.covered is None) == (not drift)
    assert found.figures["drift.share"] == len(drifted) / 2


@pytest.mark.parametrize("further", [0.0, 1e6])
def test_correlations_are_compared_if_no_column_moved(
    project: Callable[..., Project],
    remember: Callable[[ModuleType], Any],
    monkeypatch: pytest.MonkeyPatch,
    further: float,
) -> None:
    """Two columns that go apart, each as it was, are found if the file asks, also if predictions moved with them."""
    record = remember(module)
    random = np.random.default_rng(0)
    one = random.normal(size=2000)
    frame = pd.DataFrame({"a": one, "b": one + 0.3 * random.normal(size=2000)})
    log(frame[:800].assign(b=random.permutation(frame["b"][:800])))
    reference = write_snapshot(frame.assign(at=pd.Timestamp("2025-01-01", tz="UTC")), "at")
    champion: Any = SimpleNamespace(number=1, facts=FACTS.model_copy(update={"training": reference}))
    monkeypatch.setattr(module, "predict_holdout", lambda *_: (frame, np.arange(800.0) + further, None))
    window = find_window("m", START, START + timedelta(days=2), 2000)
    made = project(monitoring={"drift": {"dependence": 0.2}})
    *_, finding = module.measure_drift.function(made, champion, window).findings
    assert finding.rule == "no correlation changes by 0.2"
    assert finding.failed, finding.detail
    assert DriftFigures.model_validate_json(record.files["drift.json"]).dependence is not None
    assert len(module.measure_drift.function(project(), champion, window).findings) == 2
