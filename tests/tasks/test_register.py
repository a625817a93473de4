"""What a version's tags say of it is true."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from model_facts import make_facts

from regrow.data.snapshots import write_snapshot
from regrow.models.fast_path.proof import claim
from regrow.models.fitting import fit_pipeline
from regrow.models.results import Candidate, Evaluation, Snapshot
from regrow.models.stored import LoadedModel
from regrow.project import Project, Training
from tasks import register
from tasks.register import write_card

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC)


def evaluation(**changes: Any) -> Evaluation:
    """Measure 90 of 100 holdout rows, of a model that was trained on 400."""
    training = Snapshot(uri="file:///t", digest="a" * 64, rows=400, columns={}, start=START, end=END)
    holdout = Snapshot(uri="file:///h", digest="b" * 64, rows=100, columns={})
    facts = make_facts(0, 1, training=training, holdout=holdout)
    fields = {
        "candidate": Candidate(model_id="m-1", run_id="r", recipe="0", facts=facts),
        "champion_version": None,
        "rows": 90,
        "metrics": {"roc_auc": 0.81239, "brier": 0.12},
        "baseline": {"roc_auc": 0.5, "brier": 0.25},
        "champion": None,
        "slices": (),
        "predictions": holdout,
    }
    return Evaluation.model_validate(fields | changes)


def test_the_card_says_what_a_version_is(project: Callable[..., Project]) -> None:
    """What it predicts, by which estimator, from which rows, and how well beside the baseline and the champion."""
    made = project(description="Late parcels", training={"estimator": "sklearn.svm.SVC", "seed": 7})
    compared = evaluation(champion_version=3, champion={"roc_auc": 0.79, "brier": 0.13})
    assert write_card(made, compared).splitlines() == [
        f"# {made.name}",
        "Late parcels",
        "",
        "- **Predicts** `late` (binary)",
        "- **Estimator** `sklearn.svm.SVC`, seed 7",
        f"- **Trained on** 400 rows, 2024-01-01 to 2024-02-29 (SHA-256 `{'a' * 12}`)",
        f"- **Judged on** 100 rows (SHA-256 `{'b' * 12}`), 90 rows unseen by every model compared",
        "- **Label delay** 0:00:00",
        "",
        "| metric | this version | baseline | champion then |",
        "|---|---|---|---|",
        "| roc_auc | 0.8124 | 0.5000 | 0.7900 (v3) |",
        "| brier | 0.1200 | 0.2500 | 0.1300 (v3) |",
    ]


def test_the_card_tells_no_champion_from_one_that_was_not_measured(project: Callable[..., Project]) -> None:
    """The first version had none to beat; another one could not be compared with its champion."""
    assert "| roc_auc | 0.8124 | 0.5000 | none yet |" in write_card(project(), evaluation())
    obstructed = evaluation(champion_version=3, champion_obstacle="it lacks a column")
    assert "| roc_auc | 0.8124 | 0.5000 | v3: not measured |" in write_card(project(), obstructed)


def test_the_card_names_what_the_model_is_made_of(project: Callable[..., Project]) -> None:
    """Own code, what the file trusts, and the libraries stand in the card; what there is none of does not."""
    facts = make_facts(0, 1, trust=("theirs.Model",), libraries={"numpy": "2.3.0", "scikit-learn": "1.8.0"})
    candidate = Candidate(model_id="m-1", run_id="r", recipe="0", facts=facts)
    card = write_card(project(), evaluation(candidate=candidate))
    assert "- **Made with** numpy 2.3.0, scikit-learn 1.8.0" in card
    assert "- **Trusted by the project file** beyond the checked list: `theirs.Model`" in card
    assert "Own code" not in card


def test_the_fast_path_is_proven_on_the_whole_holdout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The tag counts every row of the holdout, as the snapshot brings them."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"carrier": draw.choice(["AA", "UA"], 300), "hour": draw.integers(0, 24, 300)})
    target = (frame["hour"] > 12).astype(int)
    holdout = write_snapshot(frame.assign(late=target))
    training = Training(estimator="sklearn.linear_model.LogisticRegression", parameters={})
    pipeline, _ = fit_pipeline(training, frame, target)
    facts = make_facts(0, 1, training=holdout, holdout=holdout)
    model = LoadedModel("m-1", pipeline, infer_signature(frame, pipeline.predict_proba(frame)), facts)
    monkeypatch.setattr(register, "load_model", lambda _: model)
    candidate = Candidate(model_id="m-1", run_id="r", recipe="0", facts=facts)
    assert register.describe_fast_path(candidate).startswith(f"{claim()} on 300 rows and ")


def test_a_version_that_was_fitted_again_says_whose_figures_it_shows(project: Callable[..., Project]) -> None:
    """The card names the model that was judged, and the rows that the version has learnt beside; so does a tag."""
    training = Snapshot(uri="file:///t", digest="a" * 64, rows=500, columns={})
    facts = make_facts(0, 1, training=training, judged="m-0")
    measured = evaluation(candidate=Candidate(model_id="m-1", run_id="r", recipe="0", facts=facts))
    card = write_card(project(), measured)
    assert "- **Trained on** 500 rows" in card
    assert "of its recipe: they were measured on models:/m-0, fitted without the holdout" in card
    assert register.version_tags(project(), measured, "manual", "", "")["regrow.judged"] == "m-0"
    assert "regrow.judged" not in register.version_tags(project(), evaluation(), "manual", "", "")
