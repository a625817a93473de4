"""What `train` would find in the data is found by `check --data`, with nothing running."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regrow.project import Project

Run = Callable[..., Any]
SOURCE = {"kind": "csv", "path": "rows.csv", "dates": {"born": "iso", "seen": "iso"}}
DATES = {"source": SOURCE, "target": "late", "timestamp": "at", "id": "id"}

DAYS = ["2024-01-01", "2024-02-01"] * 300


@pytest.fixture
def check(run: Run, project: Callable[..., Project], tmp_path: Path) -> Run:
    """Check a frame as the data of a project."""

    def checked(frame: pd.DataFrame, **changes: Any) -> Any:
        return run("check", project(frame, **changes).path, "--data", REGROW_HOME=str(tmp_path / "state"))

    return checked


def test_good_data_is_told_in_a_line(check: Run, recent: pd.DataFrame) -> None:
    """The rows that would train and be held out are counted; what is not used is noted."""
    result = check(recent.assign(fax=np.nan))
    assert result.exit_code == 0, result.output
    assert "data: ok: 600 rows; 480 would train and 120 be held out" in result.stdout
    assert "data: note: column `fax`: no row has a value: the model does not use it" in result.stdout


def test_each_bad_column_is_an_error_line(check: Run, recent: pd.DataFrame) -> None:
    """Every column that would fail the training is named at once."""
    result = check(recent.assign(born=DAYS, seen=DAYS), data=DATES)
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    for line, name in zip(errors, ("born", "seen"), strict=True):
        assert f"column `{name}`: a date is no feature" in line


def test_a_class_that_only_one_side_has_is_found(check: Run, recent: pd.DataFrame) -> None:
    """A class that no held-out row has would end the evaluation; it is said before the fit, with what to do."""
    frame = recent.assign(late=np.where(np.arange(600) < 30, 2, recent["late"]))
    result = check(frame, evaluation={"primary": "log_loss"})
    assert result.exit_code == 1
    assert "no row of 2 is in the holdout; split by `stratified`" in result.stderr


BOOSTED = "sklearn.ensemble.HistGradientBoostingClassifier"
PARITY = {"primary": "log_loss", "gates": [{"kind": "fairness", "column": "colour", "at_most": 0.1}]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"training": {"estimator": BOOSTED, "sample_weight": "colour"}},
            "column `colour`: holds no numbers",
        ),
        ({"training": {"estimator": BOOSTED, "sample_weight": "size"}}, "is no weight ("),
        (
            {"training": {"estimator": BOOSTED, "parameters": {"class_weight": {"yes": 5}}}},
            "class_weight: the target has no class `yes`; it has 0, 1, 2",
        ),
        (
            {"training": {"estimator": BOOSTED, "threshold": 0.3}},
            "the model predicts 3 classes; a threshold decides between two classes",
        ),
        (
            {"training": {"estimator": BOOSTED}, "evaluation": PARITY},
            "evaluation.gates.0: fairness compares decisions between two classes, and `late` has 3; take a slice gate",
        ),
    ],
)
def test_what_the_fit_or_a_gate_would_refuse_is_found(
    check: Run, recent: pd.DataFrame, changes: dict[str, Any], said: str
) -> None:
    """Weights that are none, a class that is not there, a threshold between three classes: all before the fit."""
    frame = recent.assign(late=np.arange(600) % 3)
    result = check(frame, **({"evaluation": {"primary": "log_loss"}} | changes))
    assert result.exit_code == 1
    assert said in " ".join(result.stderr.split())


def test_a_broken_expectation_is_found(check: Run, recent: pd.DataFrame) -> None:
    """A batch that validation would reject is rejected with the same words."""
    data = {
        "source": {"kind": "csv", "path": "rows.csv"},
        "target": "late",
        "timestamp": "at",
        "id": "id",
        "expectations": [
            {"expect": "expect_column_values_to_be_between", "arguments": {"column": "size", "max_value": -9}}
        ],
    }
    result = check(recent, data=data)
    assert result.exit_code == 1
    assert "batch rejected: expect_column_values_to_be_between(size): broken by 600 rows" in result.stderr


def test_a_folder_is_said_to_be_one(run: Run, project: Callable[..., Project]) -> None:
    """A folder instead of a file is named with the files that are in it."""
    made = project()
    result = run("check", made.path.parent)
    assert result.exit_code == 1
    assert f"is a folder; give one project file, NAME.yaml ({made.path.name})" in result.stderr
