"""What a project file should say for a table."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from loans import loans

from regrow.inspection.expectations import check
from regrow.inspection.suggestions import Suggestion, _suggest_window, suggest, suggest_delay
from regrow.inspection.table import inspect_table

DRAW = np.random.default_rng(0)


def suggestion_for(frame: pd.DataFrame, target: str = "repaid") -> Suggestion:
    return suggest(frame, inspect_table(frame, target, "t"))


def test_a_table_with_time_is_split_by_it() -> None:
    """The newest rows are held out, and the target's delay is the age of the newest row that has one."""
    found = suggestion_for(loans())
    assert found.split.kind == "time"
    assert found.label_delay == timedelta(days=20)
    assert any("label_delay" in line for line in found.unsure)


def test_entities_without_time_are_kept_together() -> None:
    """Without a time whole customers are held out."""
    found = suggestion_for(loans().drop(columns="issued_at"))
    assert (found.split.kind, getattr(found.split, "column", None)) == ("group", "customer")


def test_held_out_rows_of_few_days_are_judged_by_smaller_units() -> None:
    """A table of months has too few days to hold out: the file names the entity, or else the row, and says so."""
    frame = loans()
    frame["issued_at"] = pd.to_datetime(frame["issued_at"]).dt.strftime("%Y-%m-01")
    found = suggestion_for(frame)
    assert found.unit == "entity"
    assert any(line.startswith("unit: the held-out rows are of") for line in found.unsure)
    assert suggestion_for(frame.drop(columns="customer")).unit == "row"
    assert suggestion_for(loans()).unit is None


def test_a_split_keeps_every_class_on_both_sides() -> None:
    """A class that only the old rows have is missing in the holdout: it is drawn at random, and said."""
    frame = loans()
    frame["repaid"] = np.where(np.arange(len(frame)) < 700, frame["repaid"], "yes")
    found = suggestion_for(frame)
    assert found.split.kind == "stratified"
    assert any("leaves a class on one side" in line for line in found.unsure)


@pytest.mark.parametrize(
    ("target", "primary"),
    [
        (DRAW.random(2000) < 0.4, "roc_auc"),
        (DRAW.random(2000) < 0.02, "average_precision"),
        (DRAW.integers(0, 3, 2000), "accuracy"),
        (DRAW.choice(["a", "b", "c"], 2000, p=[0.8, 0.1, 0.1]), "balanced_accuracy"),
        (DRAW.normal(size=2000), "rmse"),
        (DRAW.pareto(1.5, 2000), "mae"),
    ],
)
def test_the_metric_fits_the_target(target: np.ndarray, primary: str) -> None:
    """A rare class, classes of one size, and heavy tails each have a metric that shows them."""
    found = suggestion_for(pd.DataFrame({"y": target, "x": DRAW.normal(size=2000)}), "y")
    assert found.primary == primary
    assert primary not in found.metrics


def test_few_rows_get_a_forest() -> None:
    """Boosted trees learn nothing from sixty rows."""
    assert "RandomForestClassifier" in suggestion_for(loans(400)).estimator
    assert "HistGradientBoostingClassifier" in suggestion_for(loans()).estimator


def test_the_table_and_the_next_month_meet_the_expectations() -> None:
    """What is expected holds for the table, and for rows a little beyond its ranges; what is broken is found."""
    frame = loans()
    expectations = suggestion_for(frame).expectations
    assert all(one.passed for one in check(frame.dropna(subset="repaid"), expectations).outcomes)
    later = loans(seed=1).dropna(subset="repaid").assign(income=lambda rows: rows["income"] * 1.3)
    assert all(one.passed for one in check(later, expectations).outcomes)
    broken = later.assign(income=-1.0, purpose="boat", guarantor=None)
    names = {one.name for one in check(broken, expectations).outcomes if not one.passed}
    assert names == {
        "expect_column_values_to_be_between(income)",
        "expect_column_values_to_be_in_set(purpose)",
        "expect_column_values_to_not_be_null(guarantor)",
    }


def test_rows_without_a_usable_target_are_set_aside() -> None:
    """Missing targets and classes too rare to learn are quarantined, within a limit that lets the batch pass."""
    frame = loans()
    frame.loc[:1, "repaid"] = "perhaps"
    frame.loc[100:500, "repaid"] = None
    found = suggestion_for(frame)
    aside = [one.expect for one in found.expectations if one.on_failure == "quarantine"]
    assert {"expect_column_values_to_not_be_null", "expect_column_values_to_be_in_set"} <= set(aside)
    assert frame["repaid"].isna().mean() < found.quarantine_limit < 1


def test_very_many_columns_do_not_get_expectations_each() -> None:
    """Of 300 columns the first twenty have expectations."""
    frame = pd.DataFrame(DRAW.normal(size=(200, 300))).rename(columns=str).assign(y=[0, 1] * 100)
    assert len(suggestion_for(frame, "y").expectations) < 50


def test_gaps_in_the_middle_are_no_delay() -> None:
    """The target is late only if it is the newest rows that lack it."""
    times = pd.Series(pd.date_range("2024-01-01", periods=100, freq="D", tz="UTC"))
    target = pd.Series(["a"] * 100, dtype=object)
    target[10:20] = None
    assert suggest_delay(times, target) == timedelta(0)
    assert suggest_delay(None, target) == timedelta(0)


@pytest.mark.parametrize(
    ("every", "by_day", "days"), [("6h", True, 14), ("7D", True, 92), ("7D", False, 14), ("30D", True, 366)]
)
def test_a_window_holds_as_many_days_as_performance_takes(every: str, by_day: bool, days: int) -> None:
    """Of a table that comes weekly or monthly the window is long enough to judge; else performance never concludes."""
    times = pd.Series(pd.date_range("2020-01-01", periods=100, freq=every, tz="UTC")).repeat(500)
    window, _ = _suggest_window(times, timedelta(0), len(times), by_day=by_day)
    assert window == timedelta(days=days)
