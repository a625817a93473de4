"""What may give the target of a training's rows away, as findings."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from regrow.data.times import parse_times
from regrow.inspection.leak_check import find_leaks
from regrow.project import Project


def failing(project: Project, frame: pd.DataFrame) -> dict[str, float | None]:
    known = frame.assign(at=parse_times(frame["at"], "")) if "at" in frame else frame
    return {one.rule: one.figure for one in find_leaks(project, known) if one.failed}


def test_honest_rows_have_none(project: Callable[..., Project], recent: pd.DataFrame) -> None:
    """A usual table passes: every finding stands in the record all the same."""
    found = find_leaks(project(recent), recent)
    assert [one.rule for one in found] == [
        "no column predicts the target alone",
        "no row stands on both sides of the split",
    ]
    assert all(one.passed for one in found)


def test_a_copy_of_the_target_is_named_unless_it_is_allowed(
    project: Callable[..., Project], recent: pd.DataFrame
) -> None:
    """A column that tells the target is a finding with its figure; one that was looked at is none."""
    frame = recent.assign(refund=recent["late"] * 7.5)
    assert failing(project(frame), frame) == {"`refund` does not predict the target alone": 1.0}
    data = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "leakage": {"allow": ["refund"]}}
    assert failing(project(frame, data=data), frame) == {}


def test_a_regression_is_judged_as_one(project: Callable[..., Project], recent: pd.DataFrame) -> None:
    """Whether the target is classes or amounts is told by the estimator."""
    frame = recent.assign(twice=recent["size"] * 2).drop(columns=["late", "id"])
    made = project(
        frame,
        data={"source": {"kind": "csv", "path": "rows.csv"}, "target": "size", "timestamp": "at"},
        training={"estimator": "sklearn.linear_model.Ridge"},
        evaluation={"primary": "rmse"},
    )
    assert list(failing(made, frame)) == ["`twice` does not predict the target alone"]


def test_doubles_and_entities_on_both_sides_are_told(
    project: Callable[..., Project], recent: pd.DataFrame
) -> None:
    """Rows that stand in training and holdout are told, and entities if the split does not keep them together."""
    frame = pd.concat([recent.head(100)] * 3, ignore_index=True).drop(columns=["at", "id"])
    frame["who"] = np.arange(300) % 50
    data = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "entity": "who"}
    apart = failing(project(frame, data=data | {"split": {"kind": "random"}}), frame)
    assert set(apart) == {
        "no row stands on both sides of the split",
        "no `who` stands on both sides of the split",
    }
    assert failing(project(frame, data=data), frame) == {}


def test_a_date_of_after_the_event_is_told(project: Callable[..., Project], recent: pd.DataFrame) -> None:
    """A feature with dates later than its row's event was not known then."""
    frame = recent.assign(closed=(recent["at"] + pd.Timedelta("9D")).dt.strftime("%Y-%m-%d"))
    assert list(failing(project(frame), frame)) == ["`closed` is not later than `at`"]
