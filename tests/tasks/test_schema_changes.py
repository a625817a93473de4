"""A table that changes between two trainings: each change has one outcome, for the target and for each feature."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature

from regrow.base.errors import DataError
from regrow.data.snapshots import write_snapshot
from regrow.models.contract import Contract, write_signature
from regrow.models.fitting import fit_pipeline, kind_of
from regrow.models.frames import infer_columns
from regrow.models.results import ModelFacts
from regrow.models.stored import LoadedModel
from regrow.project import Project, Training
from tasks.evaluate import measure, predict_baseline, predict_unseen

ROWS = 200
DRAW = np.random.default_rng(5)
X = DRAW.normal(size=ROWS)
TABLE = pd.DataFrame({"x": X, "kind": DRAW.choice(["a", "b"], ROWS), "count": DRAW.integers(0, 9, ROWS)})
LATE = X > 0.2
HALF = ROWS // 2
KEYS = {"id", "late"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "state"))


def trained(features: pd.DataFrame, target: Any, first: int) -> LoadedModel:
    """Train on the first half of the rows and hold the second out; their ids count from *first*."""
    frame = features.assign(late=target, id=range(first, first + ROWS))
    training, holdout = frame[:HALF].reset_index(drop=True), frame[HALF:].reset_index(drop=True)
    columns = infer_columns(training.drop(columns=list(KEYS)))
    contract = Contract(columns)
    pipeline, _ = fit_pipeline(
        Training(estimator="sklearn.linear_model.LogisticRegression"),
        contract.read(training),
        training["late"],
    )
    kind, classes = kind_of(pipeline)
    facts = ModelFacts(
        project="m", kind=kind, classes=classes, id="id", timestamp=None,
        training=write_snapshot(training), holdout=write_snapshot(holdout),
    )  # fmt: skip
    outputs = infer_signature(model_output=pipeline.predict_proba(contract.read(training))).outputs
    return LoadedModel(f"m-{first}", pipeline, write_signature(columns, outputs), facts)


def compare(project: Project, features: pd.DataFrame, target: Any = LATE) -> tuple[set[str], str]:
    """Train a champion on the old table and a candidate on the new one; return who is measured, and why not."""
    champion, model = trained(TABLE, LATE.astype(int), 0), trained(features, target, 1000)
    shown = predict_unseen(project, model, champion)
    return set(shown.predictions), shown.obstacle


BOTH = {"candidate", "baseline", "champion"}


@pytest.mark.parametrize(
    "changed",
    [
        TABLE,
        TABLE.assign(new=X**2),
        TABLE.assign(count=TABLE["count"].astype("float64")),
        TABLE.assign(count=TABLE["count"].astype("Int64")),
        TABLE.assign(x=X.astype("float32")),
        TABLE.assign(kind=TABLE["kind"].astype("category")),
        TABLE.assign(kind=np.where(X > 1, "never seen", TABLE["kind"])),
        TABLE[["count", "kind", "x"]],
    ],
)
def test_harmless_changes_are_compared(changed: pd.DataFrame, project: Callable[..., Project]) -> None:
    """A further feature, another order, a type that holds the same values, a new category: both are measured."""
    measured, obstacle = compare(project(), changed, LATE.astype(int))
    assert (measured, obstacle) == (BOTH, "")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            TABLE.drop(columns="count"),
            "it takes the column `count`, which the rows do not have; keep the old columns",
        ),
        (TABLE.assign(count=TABLE["count"] + 0.5), "column 'count'"),
        (TABLE.assign(count="many" + TABLE["count"].astype("str")), "column 'count'"),
        (TABLE.assign(x=np.where(X > 0, "high", "low")), "column 'x'"),
        (TABLE.assign(kind=DRAW.integers(0, 2, ROWS)), "column 'kind'"),
    ],
)
def test_a_champion_that_cannot_take_the_new_rows_is_told(
    changed: pd.DataFrame, said: str, project: Callable[..., Project]
) -> None:
    """A feature less, or one of another type: the candidate is measured, the champion is not, and it is said why."""
    measured, obstacle = compare(project(), changed, LATE.astype(int))
    assert measured == {"candidate", "baseline"}
    assert said in obstacle
    assert "--override" in obstacle


def test_a_class_that_appears_is_compared(project: Callable[..., Project]) -> None:
    """A class that only the candidate knows is no obstacle: the champion gives it no probability."""
    measured, obstacle = compare(project(), TABLE, np.where(X > 1, 2, LATE.astype(int)))
    assert (measured, obstacle) == (BOTH, "")


def test_a_class_that_is_gone_is_told(project: Callable[..., Project]) -> None:
    """A class that only the champion knows, here by another name, keeps it from being measured."""
    measured, obstacle = compare(project(), TABLE, np.where(LATE, "yes", "no"))
    assert measured == {"candidate", "baseline"}
    assert "it knows the classes 0, 1, which the candidate does not" in obstacle


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        (np.where(LATE, "yes", "no"), ("no", "yes")),
        (pd.array(np.where(LATE, "yes", "no"), dtype="string"), ("no", "yes")),
        (pd.Categorical(np.where(LATE, "yes", "no")), ("no", "yes")),
        (LATE, (False, True)),
        (pd.array(LATE, dtype="boolean"), (False, True)),
        (LATE.astype(int), (0, 1)),
        (LATE.astype("float64"), (0.0, 1.0)),
        (pd.array(LATE.astype(int), dtype="Int64"), (0, 1)),
        (np.select([X < -0.5, X < 0.5], ["low", "middle"], "high"), ("high", "low", "middle")),
    ],
)
def test_a_target_of_any_spelling(
    target: Any, classes: tuple[Any, ...], project: Callable[..., Project]
) -> None:
    """Yes and no, true and false, 0 and 1 as numbers of any kind, text: the same model but for its classes' names."""
    model = trained(TABLE, target, 0)
    assert model.facts.classes == classes
    assert ModelFacts.model_validate_json(model.facts.model_dump_json()).classes == classes
    shown = predict_unseen(project(), model, None)
    late, predictions = shown.frame["late"], shown.predictions
    metrics = measure(["log_loss", "accuracy"], late, predictions["candidate"], classes)
    trivial = measure(["log_loss"], late, predict_baseline(project(), model.facts, HALF), classes)
    assert metrics["accuracy"] > 0.9
    assert metrics["log_loss"] < trivial["log_loss"]


def test_a_class_that_the_holdout_lacks_is_named() -> None:
    """A class without a held-out row cannot be measured: the error names it and what to do."""
    model = trained(TABLE, np.where(np.arange(ROWS) < 20, "old", np.where(LATE, "yes", "no")), 0)
    frame = model.facts.holdout.read()
    with pytest.raises(DataError, match=r"no 'old'.*split by `stratified`"):
        measure(["log_loss"], frame["late"], model.predict(frame), model.facts.classes)


def test_a_class_of_later_rows_alone_is_named() -> None:
    """A class that no training row had is an error of the measurement that names it and its rows."""
    model = trained(TABLE, np.where(np.arange(ROWS) > 190, "new", np.where(LATE, "yes", "no")), 0)
    frame = model.facts.holdout.read()
    with pytest.raises(DataError, match=r"'new' in 9"):
        measure(["log_loss"], frame["late"], model.predict(frame), model.facts.classes)
