"""The recipe that was judged, fitted again on all rows."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest

import tasks.fit
import tasks.refit
from regrow.data.snapshots import write_snapshot
from regrow.models.results import Candidate, ModelFacts, Parts
from regrow.models.stored import LoadedModel, load_model
from regrow.project import Project


@pytest.fixture
def parts(recent: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """Return the oldest 480 and the newest 120 of 600 rows."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "state"))
    training, holdout, known = (write_snapshot(each, "at") for each in (recent[:480], recent[480:], recent))
    return Parts(training=training, holdout=holdout, known=known)


@pytest.fixture
def run_steps(
    remember: Callable[[ModuleType], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Project, Parts], tuple[Candidate, Candidate]]:
    """Run `fit` and `refit` without MLflow's server; each stores its model in a folder of its own."""

    def store(_: object, facts: ModelFacts, recipe: str, stored: dict[str, Any]) -> Candidate:
        mlflow.sklearn.save_model(path=str(tmp_path / recipe), **stored)
        return Candidate(model_id=recipe, run_id="r", recipe=recipe, facts=facts)

    for module in (tasks.fit, tasks.refit):
        remember(module)
        monkeypatch.setattr(module, "find_again", lambda *_: None)
        monkeypatch.setattr(module, "log_candidate", store)
    monkeypatch.setattr(
        tasks.refit, "load_model", lambda uri: load_model(str(tmp_path / uri.removeprefix("models:/")))
    )

    def steps(project: Project, parts: Parts) -> tuple[Candidate, Candidate]:
        judged = tasks.fit.fit.function(project, parts)
        return judged, tasks.refit.refit.function(project, parts, judged)

    return steps


def loaded(tmp_path: Path, candidate: Candidate) -> LoadedModel:
    return load_model(str(tmp_path / candidate.model_id))


def test_it_learns_the_holdout_too(
    project: Callable[..., Project], recent: pd.DataFrame, parts: Parts, run_steps: Any, tmp_path: Path
) -> None:
    """It is what one fit on all rows gives, says from which rows it learnt, and names the model that was judged."""
    judged, served = run_steps(project(recent), parts)
    assert served.facts.training == parts.known
    assert served.facts.holdout == judged.facts.holdout == parts.holdout
    assert served.facts.rows_known == judged.facts.rows_known == 600
    assert (served.facts.judged, judged.facts.judged) == (judged.model_id, "")
    assert served.judged_uri == judged.judged_uri == judged.uri
    whole = Parts(training=parts.known, holdout=parts.holdout, known=parts.known)
    direct, _ = run_steps(project(recent), whole)
    answers = [loaded(tmp_path, each).predict(recent) for each in (served, direct, judged)]
    np.testing.assert_array_equal(answers[0], answers[1], strict=True)
    assert np.abs(answers[0] - answers[2]).max() > 1e-6


def test_a_search_is_not_made_again(
    project: Callable[..., Project], recent: pd.DataFrame, parts: Parts, run_steps: Any, tmp_path: Path
) -> None:
    """What it chose on the training part is fitted, with the threshold that was tuned there."""
    search = {"kind": "randomized", "space": {"C": [0.01, 100.0]}, "trials": 2}
    training = {
        "estimator": "sklearn.linear_model.LogisticRegression",
        "search": search,
        "threshold": {"metric": "f1"},
    }
    judged, served = run_steps(project(recent, training=training), parts)
    chosen = loaded(tmp_path, judged).pipeline.get_params()["estimator__C"]
    assert served.facts.chosen == {"estimator__C": chosen}
    assert loaded(tmp_path, served).pipeline.get_params()["estimator__C"] == chosen
    assert served.facts.threshold == judged.facts.threshold is not None


def test_a_file_may_keep_the_model_that_was_judged(
    project: Callable[..., Project], recent: pd.DataFrame, parts: Parts, run_steps: Any
) -> None:
    """With `refit: false` the candidate is the fit on the training part."""
    training = {"estimator": "sklearn.linear_model.LogisticRegression", "refit": False}
    judged, served = run_steps(project(recent, training=training), parts)
    assert served is judged
    assert served.facts.training == parts.training


def test_the_window_that_was_chosen_is_fitted_again(
    project: Callable[..., Project],
    recent: pd.DataFrame,
    parts: Parts,
    run_steps: Any,
    remember: Callable[[ModuleType], Any],
) -> None:
    """It reaches back from the newest row; each window that was tried is a run with its figure."""
    training = {"estimator": "sklearn.linear_model.LogisticRegression", "windows": ["20d", "30d"]}
    made, record = project(recent, training=training), remember(tasks.fit)
    judged, served = run_steps(made, parts)
    assert judged.facts.window == served.facts.window
    assert str(judged.facts.window) in {"20d", "30d"}
    assert {name: child["window"] for name, child in record.children.items()} == dict(
        zip(("window-0", "window-1"), made.training.choices, strict=True)
    )
    assert all(0.5 < float(str(child["roc_auc"])) <= 1 for child in record.children.values())
    window = served.facts.window
    assert window is not None
    assert window.length is not None
    assert served.facts.training.start is not None
    first = recent["at"].max() - window.length
    assert served.facts.training.rows == int((recent["at"] >= first).sum())
    assert judged.facts.training.rows == served.facts.training.rows - parts.holdout.rows
