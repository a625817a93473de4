"""Candidate, baseline and champion on the same unseen rows."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from fitted_models import fitted, frame
from mlflow.models import infer_signature
from model_facts import make_facts
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline

import tasks.evaluate
from regrow.base.errors import DataError, IncompatibleModel
from regrow.data.snapshots import write_snapshot
from regrow.lineage import RunRecord
from regrow.models.explaining import attributions
from regrow.models.explaining.attributions import Explainer
from regrow.models.metrics import Floats
from regrow.models.results import Candidate, ProblemType
from regrow.models.stored import LoadedModel
from regrow.project import EvaluationPlan, LatencyGate, Metric, Project, SizeGate
from tasks.evaluate import (
    column_importances,
    explain_holdout,
    flatten,
    load_champion,
    measure_costs,
    measure_slices,
    predict_unseen,
)

TARGET = pd.Series([False, True, True, False])
MODEL = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.7, 0.3]])


def test_slice_with_one_class_leaves_ranking_out():
    """A slice is measured by what its rows define."""
    plan = EvaluationPlan(primary="roc_auc", metrics=("brier",), slices=("origin",))
    frame = pd.DataFrame({"origin": ["EWR", "EWR", "JFK", "EWR"]})
    ewr, jfk = measure_slices(plan, frame, TARGET, MODEL, (False, True))
    assert (ewr.value, ewr.rows, ewr.metrics["roc_auc"]) == ("EWR", 3, 1)
    assert list(jfk.metrics) == ["brier"]


def test_unknown_slice_column_is_named():
    """A slice column that is not in the data is an error."""
    plan = EvaluationPlan(primary="roc_auc", slices=("nope",))
    with pytest.raises(DataError, match=r"evaluation\.slices: nope"):
        measure_slices(plan, pd.DataFrame({"a": [1]}), TARGET, MODEL, (False, True))


@pytest.mark.parametrize("fits", [True, False])
def test_a_champion_that_does_not_take_the_rows_types_is_left_out(
    project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fits: bool
) -> None:
    """The candidate is measured all the same, on the rows that the champion has not seen, and the reason is kept."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "state"))
    rows = pd.DataFrame({"id": ["a", "b", "c"], "size": ["1", "2", "3"], "late": [0, 1, 0]})
    facts = make_facts(0, 1, id="id", training=write_snapshot(rows[:2]), holdout=write_snapshot(rows[1:]))

    def predict(frame: pd.DataFrame) -> Floats:
        if not fits:
            raise DataError("column 'size', row 0: '2' is not a number")
        return np.full((len(frame), 2), 0.5)

    model = cast(
        LoadedModel, SimpleNamespace(facts=facts, predict=lambda frame: np.full((len(frame), 2), 0.5))
    )
    champion = cast(LoadedModel, SimpleNamespace(facts=facts, features=["size"], predict=predict))
    shown = predict_unseen(project(), model, champion)
    obstacle = shown.obstacle
    assert shown.frame["id"].tolist() == ["c"]
    assert set(shown.predictions) == {"candidate", "baseline"} | ({"champion"} if fits else set())
    expected = "" if fits else "column 'size', row 0: '2' is not a number, or let the candidate pass"
    assert obstacle.startswith(expected)
    assert bool(obstacle) == bool(expected)


def test_a_champion_of_other_libraries_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be loaded any more, so a training goes on without it and says why; any other error ends it."""

    def refuse(_: str) -> LoadedModel:
        raise IncompatibleModel("m-1 was made with numpy 1.26.4 (here 2.4.1): train it again")

    candidate = Candidate(model_id="m-1", run_id="r", recipe="0", facts=make_facts(0, 1))
    monkeypatch.setattr("tasks.evaluate.load_model", refuse)
    model, obstacle = load_champion(candidate)
    assert model is None
    assert obstacle.startswith("m-1 was made with numpy 1.26.4")
    assert obstacle.endswith("regrow train --override REASON`")
    assert load_champion(None) == (None, "")


def test_what_a_model_costs_is_measured_if_a_gate_asks(tmp_path: Path) -> None:
    """A single row's milliseconds and the megabytes of all files; without a gate, nothing is measured."""
    (tmp_path / "code").mkdir()
    (tmp_path / "model.skops").write_bytes(b"x" * 1_500_000)
    (tmp_path / "code" / "own.py").write_bytes(b"x" * 500_000)
    frame = pd.DataFrame({"size": [1.0, 2.0, 3.0], "late": [0, 1, 1]})
    fitted = LogisticRegression().fit(frame[["size"]], frame["late"])
    signature, facts = infer_signature(frame[["size"]]), make_facts(0, 1)
    model = LoadedModel("m-1", Pipeline([("only", fitted)]), signature, facts, folder=tmp_path)
    gates = LatencyGate(kind="latency", at_most=5), SizeGate(kind="size", at_most=5)
    costs = measure_costs(EvaluationPlan(primary="roc_auc", gates=gates), model, frame)
    assert costs["size_mb"] == 2.0
    assert 0.01 < costs["latency_ms"] < 1000
    assert measure_costs(EvaluationPlan(primary="roc_auc"), model, frame) == {}


@pytest.mark.parametrize(
    ("kind", "metric"), [("binary", "roc_auc"), ("binary", "log_loss"), ("regression", "mae")]
)
def test_the_column_that_matters_is_the_important_one(
    project: Callable[..., Project], kind: ProblemType, metric: Metric
) -> None:
    """Shuffling it makes the metric worse, whichever way the metric runs; a column of noise costs next to nothing."""
    made = project(evaluation={"primary": metric})
    random = np.random.default_rng(0)
    features = pd.DataFrame({name: random.normal(size=600) for name in ("noise", "half", "whole")})
    target = features["whole"] + features["half"] / 2
    target = (target > 0).astype(int) if kind == "binary" else target
    estimator = (LogisticRegression() if kind == "binary" else LinearRegression()).fit(features, target)
    facts = make_facts(*((0, 1) if kind == "binary" else ()))
    model = LoadedModel("m-1", Pipeline([("only", estimator)]), infer_signature(features), facts)
    found = column_importances(made, model, features.assign(late=target))
    assert list(found.index) == ["noise", "half", "whole"]
    assert abs(found["mean"]["noise"]) < 0.05 < found["mean"]["half"] < found["mean"]["whole"]


def test_what_predictions_come_from_is_logged_by_slice(
    project: Callable[..., Project], remember: Callable[[ModuleType], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of all rows and of each slice's value stands in the run, with the way; the picture comes back."""
    made = project(evaluation={"primary": "rmse", "slices": ["carrier"], "explain": True})
    record, model = remember(tasks.evaluate), fitted("sklearn.linear_model.Ridge", {}, 0)
    monkeypatch.setattr(Explainer, "_background", model.contract.read(frame()))
    pictures = explain_holdout(cast("RunRecord", record), made, model, frame())
    told = json.loads(record.files["attributions.json"])
    assert [one["value"] for one in told["slices"]] == [None, "AA", "DL", "UA"]
    assert (record.tags, list(pictures)) == ({"attributions": "way: linear"}, ["attributions.png"])


def test_a_model_that_is_not_explained_is_evaluated_all_the_same(
    project: Callable[..., Project], remember: Callable[[ModuleType], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra a tag says what to install, and nothing else is made or refused."""
    monkeypatch.setattr(attributions, "find_spec", lambda name: None)
    record, model = remember(tasks.evaluate), fitted("sklearn.linear_model.Ridge", {}, 0)
    assert explain_holdout(cast("RunRecord", record), project(), model, frame()) == {}
    assert "pip install 'regrow[explain]'" in str(record.tags["attributions"])
    assert record.files == {}


def test_metrics_are_named_after_their_model():
    """The candidate's metrics bear their plain names."""
    measured = {"candidate": {"rmse": 1.0}, "champion": {"rmse": 2.0}}
    assert flatten(measured) == {"rmse": 1.0, "champion_rmse": 2.0}
