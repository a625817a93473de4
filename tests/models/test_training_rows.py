"""What a fit learns from: windows, weights by age, and the choice among them."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from regrow.models.recipe import weights_of
from regrow.models.training_rows import WindowTrial, best_of, rows_of, try_windows
from regrow.project import Project
from regrow.project.training import TrainingWindow

LOGISTIC = "sklearn.linear_model.LogisticRegression"
TEN, ALL = TrainingWindow(window=timedelta(days=10)), TrainingWindow(window="all")
DATA = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "timestamp": "at", "id": "id"}
Make = Callable[..., Project]


def turning(turn: int) -> pd.DataFrame:
    """Draw ten rows a day for 60 days; from day *turn* on the effect of `size` is the opposite."""
    size = np.random.default_rng(0).normal(size=600)
    at = pd.date_range("2024-01-01", periods=600, freq="144min", tz="UTC")
    day = np.arange(600) // 10
    late = (np.where(day < turn, size, -size) > 0).astype(int)
    return pd.DataFrame({"id": [f"r{n}" for n in range(600)], "at": at, "size": size, "late": late})


def test_a_window_leaves_the_newest_rows() -> None:
    """It is counted back from the newest row, or from the moment that is given; `all` and none leave every row."""
    frame = turning(60)
    assert len(rows_of(TEN, frame, "at")) == 101
    end = frame["at"].max().to_pydatetime()
    assert len(rows_of(TEN, frame[:-50], "at", end)) == 51
    assert len(rows_of(ALL, frame, "at")) == len(rows_of(None, frame, "at")) == 600


def test_weights_fall_with_age(project: Make) -> None:
    """A row of a window with a half-life counts by its age; of one without, by what the file says."""
    made, frame = project(data=DATA), turning(60)
    weights = weights_of(made, TrainingWindow(window="all", half_life=timedelta(days=30)), frame)
    assert weights is not None
    assert weights[-1] == 1
    assert weights[-301] == pytest.approx(0.5)
    assert weights_of(made, ALL, frame) is None


@pytest.mark.parametrize(("turn", "best"), [(45, TEN), (60, ALL)])
def test_the_window_that_fits_the_newest_rows_is_found(
    project: Make, turn: int, best: TrainingWindow
) -> None:
    """If the world has turned lately, old rows harm; if it has not, they help or are as good."""
    training = {"estimator": LOGISTIC, "windows": ["all", "10d"]}
    trials = try_windows(project(data=DATA, training=training), turning(turn), ["size"], timedelta(days=5))
    assert [(trial.window, trial.rows) for trial in trials] == [(ALL, 550), (TEN, 51)]
    assert best_of(trials, "roc_auc").window == best


def test_windows_of_the_same_rows_are_fitted_once(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the history is short, a long window holds what `all` holds: the first of them is taken."""
    import regrow.models.training_rows as module

    fitted, original = [], module.fit_recipe

    def count(*args: object, **more: object) -> object:
        fitted.append(args)
        return original(*args, **more)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(module, "fit_recipe", count)
    training = {"estimator": LOGISTIC, "windows": ["180d", "all", {"window": "all", "half_life": "20d"}]}
    trials = try_windows(project(data=DATA, training=training), turning(60), ["size"], timedelta(days=5))
    assert len(fitted) == 2
    assert trials[0].score == trials[1].score
    assert best_of(trials, "roc_auc").window == trials[0].window


def test_too_few_rows_choose_the_first(project: Make) -> None:
    """If no window can be measured, for the newest rows are of one class, the first is taken, and each says why."""
    training = {"estimator": LOGISTIC, "windows": ["10d", "all"]}
    frame = turning(60).assign(late=lambda rows: np.where(rows["at"] < "2024-02-20", rows["late"], 0))
    trials = try_windows(project(data=DATA, training=training), frame, ["size"], timedelta(days=5))
    assert [trial.score for trial in trials] == [None, None]
    assert all(trial.problem for trial in trials)
    assert best_of(trials, "roc_auc").window == TEN


def test_a_metric_of_loss_is_best_when_least() -> None:
    """Of two windows the one with the smaller error is taken; of equal ones the first."""
    trials = [WindowTrial(TEN, 10, 0.3), WindowTrial(ALL, 20, 0.2), WindowTrial(TEN, 10, 0.2)]
    assert best_of(trials, "mae") is trials[1]
    assert best_of(trials, "roc_auc") is trials[0]
