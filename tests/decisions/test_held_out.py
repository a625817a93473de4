"""What the held-out rows can prove, before and after a model is fitted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from model_facts import NOWHERE, make_facts

from regrow.decisions.estimates import Estimate
from regrow.decisions.held_out import HeldOut, judge_holdout, provable, tell_days, units_needed
from regrow.decisions.units import Units
from regrow.models.results import Candidate, Evaluation
from regrow.project import BaselineGate, EvaluationPlan, ThresholdGate

PLAN = EvaluationPlan(primary="roc_auc")
DAYS = Units(np.repeat(np.arange(20), 5), "day")


def judged(*classes: bool) -> HeldOut:
    """Return 100 rows of 20 days, of a classifier of *classes*, or of a regression."""
    candidate = Candidate(model_id="m", run_id="r", recipe="x", facts=make_facts(*classes))
    evaluation = Evaluation(
        candidate=candidate, champion_version=None, rows=100, metrics={}, baseline={}, champion=None, slices=(),
        predictions=NOWHERE,
    )  # fmt: skip
    target = np.random.default_rng(0).normal(size=100)
    frame = pd.DataFrame(
        {"target": target, "candidate": target + 1, "baseline": target + 3, "unit": DAYS.codes}
    )
    return HeldOut(
        evaluation, frame.assign(**{"slice.size": pd.Series(["L"] * 50 + ["S"] * 49 + [None])}), "day"
    )


def test_a_gain_is_positive_for_the_better_model_whatever_the_metric() -> None:
    """A smaller error is a positive gain over the baseline, and the metric itself keeps its sign."""
    gain, error = judged().gain("rmse", "baseline"), judged().measure("rmse")
    assert isinstance(gain, Estimate)
    assert isinstance(error, Estimate)
    assert (gain.figure, error.figure) == pytest.approx((2, 1))


def test_slices_are_the_values_of_a_column_and_no_gap() -> None:
    """Each value has its rows; a missing one is no slice."""
    found = judged().slices("size")
    assert {name: int(rows.sum()) for name, rows in found.items()} == {"L": 50, "S": 49}


def test_the_length_of_a_holdout_follows_the_square_of_the_gain() -> None:
    """Half the gain takes four times the days; a gain that is proven, or none, needs no word on it."""
    found = Estimate(0.01, error=0.01, freedom=1e9, rows=100, units=DAYS, effective=80)
    whole, half = (units_needed(found, margin, 0.95) for margin in (0.0, 0.005))
    assert (whole, half) == (np.ceil(20 * 1.6449**2), np.ceil(80 * 1.6449**2))
    assert provable(found, 0.0, 0.95) == (
        "such a holdout proves gains above 0.0164; about 55 days would prove this one"
    )
    assert provable(found, 0.02, 0.95) == "such a holdout proves gains above 0.0364"


def test_a_verdict_says_for_which_days_it_speaks() -> None:
    """The first and the last day of the rows, in UTC, with how many rows and units; nothing of rows without a time."""
    held_out = judged()
    unknown = pd.Series(pd.NA, range(100), dtype="Int64")
    assert tell_days(replace(held_out, frame=held_out.frame.assign(time=unknown))) == ()
    known = unknown.copy()
    known.iloc[5:7] = pd.to_datetime(["2013-06-21T00:30Z", "2013-06-01T23:59Z"]).as_unit("us").asi8
    (told,) = tell_days(replace(held_out, frame=held_out.frame.assign(time=known)))
    assert "of 2013-06-01 to 2013-06-21 (UTC)" in told.detail
    assert (told.passed, told.noted, told.rows, told.units, told.unit) == (True, True, 100, 20, "day")


def test_a_holdout_that_proves_nothing_is_known_before_a_fit() -> None:
    """Too few days and too few rows of a class are said, with what to do; enough of both, and no gate, are not."""
    target = pd.Series(np.arange(100) % 2)
    assert judge_holdout(PLAN, target, DAYS, classifier=True) is None
    few = judge_holdout(PLAN, target, Units(DAYS.codes // 4, "day"), classifier=True)
    assert few is not None
    assert few.undecided
    assert "5 days of 10 that it takes; hold out more (training.window, data.split.holdout)" in few.detail
    rare = judge_holdout(PLAN, pd.Series(np.arange(100) < 5), DAYS, classifier=True)
    assert rare is not None
    assert "the rarest class stands in 1 day of 10" in rare.detail
    plan = EvaluationPlan(primary="rmse", gates=(BaselineGate(kind="beats_baseline"),))
    assert judge_holdout(plan, pd.Series(np.arange(100) < 5), DAYS, classifier=False) is None
    alone = EvaluationPlan(
        primary="roc_auc", gates=(ThresholdGate(kind="threshold", metric="roc_auc", at_least=0.6),)
    )
    assert judge_holdout(alone, target, Units(DAYS.codes // 4, "day"), classifier=True) is None
