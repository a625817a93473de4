"""What a model can be trained on, found before it is."""

import uuid
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from regrow.base.errors import DataError
from regrow.data.snapshots import write_snapshot
from regrow.inspection.usable import Usability, judge_columns
from regrow.project import Project

COUNT = 40
TARGET = [0, 1] * (COUNT // 2)
BOOSTING = "sklearn.ensemble.HistGradientBoostingClassifier"
RIDGE = "sklearn.linear_model.Ridge"

SUPPORTED: dict[str, Any] = {
    "nullable whole": pd.array([1, None, 3, 4] * 10, dtype="Int64"),
    "nullable number": pd.array([1.5, None, 3, 4] * 10, dtype="Float64"),
    "nullable boolean": pd.array([True, None, False, True] * 10, dtype="boolean"),
    "nullable text": pd.array(["a", None, "b", "c"] * 10, dtype="string"),
    "unsigned": np.arange(COUNT).astype("uint64"),
    "decimal": [Decimal("1.10"), None] * 20,
    "uuid": [uuid.UUID(int=n) for n in range(COUNT)],
    "interval": pd.cut(np.arange(COUNT), 4),
    "category": pd.Categorical(["a", "b"] * 20),
    "sparse": pd.arrays.SparseArray([0, 0, 1, 0] * 10),
    "arrow whole": pd.array([1, None] * 20, dtype=pd.ArrowDtype(pa.int32())),
    "arrow text": pd.array(["a", None] * 20, dtype=pd.ArrowDtype(pa.string())),
    "arrow dictionary": pd.array(["a", "b"] * 20, dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
    "half float": np.arange(COUNT).astype("float16"),
}
REFUSED: dict[str, tuple[Any, str]] = {
    "beyond 64 bits": (np.arange(COUNT).astype("uint64") + np.uint64(2**63), "is not a whole number"),
    "date": ([date(2024, 1, 1), date(2024, 2, 1)] * 20, "a date is no feature"),
    "moment": (pd.date_range("2024-01-01", periods=COUNT), "a date is no feature"),
    "time": ([time(1, 2), time(3, 4)] * 20, "a model takes numbers, text"),
    "timedelta": (pd.to_timedelta(np.arange(COUNT), unit="D"), "a model takes numbers, text"),
    "list": ([[1, 2], [3]] * 20, "a model takes numbers, text"),
    "struct": ([{"a": 1}, {"a": 2}] * 20, "a model takes numbers, text"),
    "bytes": ([b"a", b"b"] * 20, "a model takes numbers, text"),
    "period": (pd.period_range("2024-01", periods=COUNT, freq="M"), "a model takes numbers, text"),
}
UNSTORABLE: dict[str, Any] = {
    "mixed": [1, "a"] * 20,
    "complex": np.arange(COUNT) * 1j,
    "huge": [2**70, 1] * 20,
}


@pytest.fixture
def judge(
    project: Callable[..., Project], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Usability]:
    """Judge a column as it comes back from the snapshot of its batch."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "state"))

    def run(
        values: Any, target: Any = TARGET, estimator: str = BOOSTING, primary: str = "roc_auc"
    ) -> Usability:
        frame = pd.DataFrame({"odd": values, "x": np.arange(COUNT) / 7, "late": target})
        made = project(
            pd.DataFrame({"late": [0, 1]}),
            data={"source": {"kind": "parquet", "path": "rows.parquet"}, "target": "late"},
            training={"estimator": estimator},
            evaluation={"primary": primary},
        )
        return judge_columns(made, write_snapshot(frame).read())

    return run


@pytest.mark.parametrize("kind", SUPPORTED)
def test_types_with_a_plain_meaning_are_taken(kind: str, judge: Callable[..., Usability]) -> None:
    """Nullable, Arrow's, unsigned, decimal, sparse and categorical columns and UUIDs train as what they mean."""
    assert judge(SUPPORTED[kind]) == Usability((), ())


@pytest.mark.parametrize("kind", REFUSED)
def test_types_without_one_are_refused_by_column(kind: str, judge: Callable[..., Usability]) -> None:
    """What is no number, text, or true and false is named with what to do, before anything is fitted."""
    values, said = REFUSED[kind]
    (problem,) = judge(values).problems
    assert "column `odd`" in problem.replace("column 'odd'", "column `odd`")
    assert said in problem
    assert "source" in problem


@pytest.mark.parametrize("kind", UNSTORABLE)
def test_what_no_file_holds_is_refused_by_column(kind: str, judge: Callable[..., Usability]) -> None:
    """A column of several types is an error with its name when the batch is kept, not one of Arrow's."""
    with pytest.raises(DataError, match=r"column `odd`: holds .* which cannot be kept .*; give it one type"):
        judge(UNSTORABLE[kind])


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([np.nan] * COUNT, "no row has a value"),
        ([None] * COUNT, "no row has a value"),
        (pd.array([None] * COUNT, dtype="str"), "no row has a value"),
        (pd.to_datetime([None] * COUNT), "no row has a value"),
        (["EUR"] * COUNT, "every row has 'EUR'"),
        ([3] * COUNT, "every row has 3"),
    ],
)
def test_columns_that_tell_nothing_are_noted(values: Any, why: str, judge: Callable[..., Usability]) -> None:
    """A column without a value, or of one, is no error: it is said that the model does not use it."""
    assert judge(values) == Usability((), (f"column `odd`: {why}: the model does not use it",))


def test_whole_numbers_beyond_a_float_are_noted(judge: Callable[..., Usability]) -> None:
    """What a model would see rounded is said; beside a missing value no digit is lost on the way."""
    found = judge(pd.array([2**60 + 1, None] * 20, dtype="Int64"))
    assert "whole numbers beyond 2^53" in found.notes[0]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("target", "estimator", "said"),
    [
        (np.arange(COUNT) * 10, BOOSTING, None),
        (
            np.arange(COUNT) + 0.5,
            BOOSTING,
            "holds numbers such as 0.5, and .* predicts classes; name a regressor",
        ),
        ([0.0, 1.0] * 20, BOOSTING, None),
        (["yes", "no"] * 20, BOOSTING, None),
        (["yes", "no"] * 20, RIDGE, "holds 'yes', and .*Ridge predicts numbers; name a classifier"),
        ([True, False] * 20, RIDGE, None),
    ],
)
def test_the_target_fits_the_estimator(
    target: Any, estimator: str, said: str | None, judge: Callable[..., Usability]
) -> None:
    """Amounts given to a classifier and text given to a regressor are found before the fit."""
    problems = judge(
        np.arange(COUNT), target, estimator, "rmse" if estimator == RIDGE else "accuracy"
    ).problems
    if said is None:
        assert problems == ()
    else:
        assert len(problems) == 1
        assert pd.Series(problems).str.contains(said).all()


def test_many_whole_numbers_are_no_classes(project: Callable[..., Project]) -> None:
    """400 different whole numbers are amounts: a classifier that would take each for a class is refused."""
    frame = pd.DataFrame({"late": np.arange(800) // 2, "x": np.arange(800) / 7})
    made = project(frame, data={"source": {"kind": "csv", "path": "rows.csv"}, "target": "late"})
    (problem,) = judge_columns(made, frame).problems
    assert (
        "holds 400 different numbers, and sklearn.linear_model.LogisticRegression takes each for a class"
        in problem
    )
