"""The `monitoring` and `retraining` parts of a project file."""

import json
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from pydantic import ValidationError

from regrow.project import DriftRule, Monitoring, PerformanceRule, QualityRule, Retraining, Strict

Part = TypeVar("Part", bound=Strict)


def read(kind: type[Part], **content: Any) -> Part:
    """Read a part of *kind* with *content*, as from JSON."""
    return kind.model_validate_json(json.dumps(content))


def test_nothing_runs_by_schedule_unless_the_file_asks_for_it() -> None:
    """Without schedules a model is watched and trained by hand, or by an alarm."""
    assert (Monitoring().schedule, Retraining().schedule, Retraining().on_alarm) == (None, None, True)


def test_a_part_that_is_not_named_keeps_its_rules() -> None:
    """To change one rule leaves the others, and its own other limits, as they are."""
    changed = read(Monitoring, window="31d", drift={"method": "jensenshannon"})
    assert changed.window == timedelta(days=31)
    assert changed.drift == DriftRule().model_copy(update={"method": "jensenshannon"})
    assert (changed.quality, changed.performance) == (QualityRule(), PerformanceRule())


def test_a_model_may_be_trained_again_twelve_times_a_year() -> None:
    """The budget bounds the retrainings of a year, a day lies between two, and either can be changed alone."""
    default = Retraining()
    assert (default.budget.runs, default.budget.period) == (12, timedelta(days=365))
    assert default.cooldown == timedelta(days=1)
    assert read(Retraining, budget={"runs": 3}).budget.period == timedelta(days=365)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (QualityRule, {"missing": 1.1}),
        (QualityRule, {"unseen": -0.1}),
        (QualityRule, {"least_rows": 0}),
        (DriftRule, {"method": "kl"}),
        (DriftRule, {"method": "wasserstein"}),
        (DriftRule, {"threshold": 0}),
        (DriftRule, {"threshold": float("inf")}),
        (DriftRule, {"share": 0}),
        (DriftRule, {"max_rows": 99}),
        (PerformanceRule, {"tolerance": -0.01}),
        (PerformanceRule, {"confidence": 0.5}),
        (Monitoring, {"reference": "production"}),
        (Monitoring, {"window": 7}),
        (Monitoring, {"false_alarms": 0}),
        (Monitoring, {"prediction_drift": 0}),
        (Retraining, {"least_labels": 0}),
        (Retraining, {"budget": {"runs": 0}}),
        (Retraining, {"cool_down": "1d"}),
    ],
)
def test_a_limit_that_never_or_always_fails_is_refused(kind: type[Strict], content: dict[str, Any]) -> None:
    """A limit out of its range, a distance that nobody computes and a misspelt key name the key."""
    with pytest.raises(ValidationError) as raised:
        read(kind, **content)
    (problem,) = raised.value.errors()
    assert problem["loc"][0] == next(iter(content))


def test_drift_is_told_and_harm_alarms_unless_the_file_says_so() -> None:
    """By default drift raises no alarm; a file of before 0.4, with a share and a confidence, is still read."""
    assert not Monitoring().drift.alarm
    old = read(Monitoring, drift={"share": 0.1, "alarm": True}, performance={"confidence": 0.9})
    assert (old.drift.share, old.drift.alarm, old.performance.confidence) == (0.1, True, 0.9)


def test_a_context_names_each_column_once() -> None:
    """A column that is named twice in a context is refused where it stands."""
    with pytest.raises(ValidationError, match="names a column twice"):
        read(DriftRule, context=["temp", "temp"])
    assert read(DriftRule, context=["temp", "dewp"]).context == ("temp", "dewp")
