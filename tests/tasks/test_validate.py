"""What a batch must be, and what becomes of rows that are not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tasks.validate
from regrow.base.errors import BatchRejected, DataError
from regrow.base.verdict import Finding, Verdict
from regrow.data.snapshots import write_snapshot
from regrow.inspection.expectations import Outcome, check
from regrow.project import Expectation, load_project
from tasks.validate import examine, judge_batch, judge_leaks, quarantine, require_columns

FRAME = pd.DataFrame({"id": [1, 2, 3, 3], "wind": [5.0, 1048.0, None, 7.0]}, index=[9, 8, 7, 6])
WIND = Expectation(
    expect="expect_column_values_to_be_between",
    arguments={"column": "wind", "min_value": 0, "max_value": 100},
    on_failure="quarantine",
)
UNIQUE = Expectation(expect="expect_column_values_to_be_unique", arguments={"column": "id"})


def test_failing_rows_are_set_aside_with_their_reason():
    """Just the rows that break an expectation are quarantined, each with the reason."""
    accepted, aside = quarantine(FRAME, check(FRAME, [WIND]).outcomes)
    assert accepted["id"].tolist() == [1, 3, 3]
    assert aside[["id", "reason"]].to_numpy().tolist() == [[2, "expect_column_values_to_be_between(wind)"]]


def test_broken_reject_names_expectation_count_and_samples():
    """A rejected batch says which expectation, how many rows, what share and which values."""
    verdict = judge_batch(check(FRAME, [UNIQUE]).outcomes, FRAME, 0.5)
    assert not verdict.passed
    for part in ("expect_column_values_to_be_unique(id)", "2 rows (50.0%)", "[3]"):
        assert part in verdict.reason


def test_too_many_rows_aside_reject_the_batch():
    """A quarantine over its limit rejects the batch; one within it does not."""
    outcomes = check(FRAME, [WIND]).outcomes
    assert judge_batch(outcomes, FRAME, 0.25).passed
    assert "1 of 4 rows set aside (25.0%, limit 20.0%)" in judge_batch(outcomes, FRAME, 0.2).reason


@pytest.mark.parametrize("on_failure", ["reject", "quarantine"])
@pytest.mark.parametrize(
    ("expect", "arguments", "rows", "samples"),
    [
        (
            "expect_compound_columns_to_be_unique",
            {"column_list": ["id", "wind"]},
            [1, 3],
            "[{'id': 2, 'wind': 5.0}]",
        ),
        (
            "expect_multicolumn_sum_to_equal",
            {"column_list": ["id", "wind"], "sum_total": 6},
            [1, 2, 3],
            "'wind': 7.0",
        ),
        (
            "expect_select_column_values_to_be_unique_within_record",
            {"column_list": ["id", "wind"]},
            [2],
            "[{'id': 7, 'wind': 7.0}]",
        ),
        (
            "expect_column_pair_values_to_be_equal",
            {"column_A": "id", "column_B": "wind"},
            [0, 1, 3],
            "(1, 5.0)",
        ),
    ],
)
def test_an_expectation_of_several_columns_names_its_rows(
    expect: str, arguments: dict[str, Any], rows: Any, samples: Any, on_failure: Any
):
    """An expectation of several columns sets just its rows aside or rejects the batch, and shows their values."""
    frame = pd.DataFrame({"id": [1, 2, 7, 2], "wind": [5.0, 5.0, 7.0, 5.0]})
    outcomes = check(frame, [Expectation(expect=expect, arguments=arguments, on_failure=on_failure)]).outcomes
    assert list(outcomes[0].rows) == rows
    assert samples in outcomes[0].observed
    _, aside = quarantine(frame, outcomes)
    assert aside.index.tolist() == (rows if on_failure == "quarantine" else [])
    assert judge_batch(outcomes, frame, 1.0).passed == (on_failure == "quarantine")


def test_missing_target_is_named():
    """A target that is not in the data is an error that lists what is there."""
    project = load_project(Path(__file__).parents[2] / "configs" / "diabetes.yaml")
    with pytest.raises(DataError, match=r"data\.target: target not in the data \(it holds age, bmi\)"):
        require_columns(project, ["age", "bmi"])


def test_a_column_named_reason_is_kept():
    """The reason of a row that is set aside stands beside the user's columns, also one of that name."""
    frame = FRAME.assign(reason=["a", "b", "c", "d"])
    _, aside = quarantine(frame, check(frame, [WIND]).outcomes)
    assert aside[["reason", "reason_"]].to_numpy().tolist() == [
        ["b", "expect_column_values_to_be_between(wind)"]
    ]


def test_a_broken_expectation_that_names_no_row_rejects_the_batch():
    """If nothing can be set aside, a broken expectation is never passed over."""
    assert judge_batch([Outcome(WIND, False, (), "observed text")], FRAME, 1.0).failed


def test_features_that_differ_in_capitals_alone_are_refused():
    """Two columns that no prediction log tells apart are an error before a model is trained on them."""
    project = load_project(Path("configs/diabetes.yaml"))
    columns = ["age", "Size", "size", project.data.target]
    with pytest.raises(
        DataError, match=r"data\.features: the columns `Size` and `size` differ in capitals alone"
    ):
        require_columns(project, columns)
    require_columns(project, columns[:2] + columns[3:])


PASSED = Verdict(decision="validate", result="pass", reason="all accepted")
LEAK = Finding(rule="`x` does not predict the target alone", result="fail", detail="`x` gives it away")


def test_a_leak_is_recorded_and_refuses_only_if_it_should():
    """By default a leak stands in the record of an accepted batch; with data.leakage.refuse it rejects it."""
    recorded = judge_leaks(PASSED, (LEAK,), refuse=False)
    assert recorded.passed
    assert recorded.failures == (LEAK,)
    refused = judge_leaks(PASSED, (LEAK,), refuse=True)
    assert refused.failed
    assert "data.leakage.refuse is set: `x` gives it away" in refused.reason
    assert judge_leaks(PASSED, (), refuse=True) == PASSED


@pytest.mark.parametrize("refuse", [False, True])
def test_the_step_looks_for_leaks(
    refuse: bool,
    project: Callable[..., Any],
    remember: Callable[..., Any],
    recent: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Without any expectation too a leak is found, kept in the step's record, and handed on or refused."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "state"))
    record = remember(tasks.validate)
    frame = recent.assign(refund=recent["late"] * 7.5)
    data = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "timestamp": "at", "id": "id"}
    data["leakage"] = {"refuse": refuse}
    snapshot = write_snapshot(frame, "at")
    if refuse:
        with pytest.raises(BatchRejected, match="`refund`: it predicts the target nearly alone"):
            tasks.validate.validate.function(project(frame, data=data), snapshot)
    else:
        found = tasks.validate.validate.function(project(frame, data=data), snapshot)
        assert [finding.rule for finding in found.remarks] == ["`refund` does not predict the target alone"]
        assert found.accepted == snapshot
    assert any("`refund`" in finding.rule for finding in record.verdicts[0].failures)


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        ({"slices": ["region"]}, r"evaluation\.slices: region not in the data"),
        (
            {"gates": [{"kind": "slice", "column": "shop", "metric": "accuracy", "at_least": 0.5}]},
            r"evaluation\.gates\.0\.column: shop not in the data",
        ),
    ],
)
def test_a_slice_of_no_column_is_found_before_the_fit(
    evaluation: Any, said: Any, project: Callable[..., Any]
):
    """A slice or a gate that names a column which is not there is refused with its key."""
    made = project(evaluation={"primary": "roc_auc"} | evaluation)
    with pytest.raises(DataError, match=said):
        require_columns(made, ["id", "at", "size", "colour", "late"])


def test_a_context_of_drift_that_is_no_feature_is_found_before_the_fit(project: Callable[..., Any]):
    """A context that is not logged with predictions, as the target is not, is refused with what could be named."""
    columns = ["id", "at", "size", "colour", "late"]
    require_columns(project(monitoring={"drift": {"context": ["size"]}}), columns)
    for name in ("late", "season"):
        with pytest.raises(
            DataError, match=rf"monitoring\.drift\.context: `{name}` is no feature .* size, colour"
        ):
            require_columns(project(monitoring={"drift": {"context": [name]}}), columns)


def test_what_no_model_takes_is_refused_with_what_is_not_used_told(project: Callable[..., Any], recent: Any):
    """Each column that no model can take is an error; one that tells nothing is a remark."""
    frame = recent.assign(fax=np.nan, seen=[[1]] * len(recent), wait=pd.to_timedelta(range(len(recent)), "s"))
    with pytest.raises(DataError, match=r"(?s)column `seen`: .*column `wait`: "):
        examine(project(recent), frame)
    found = examine(project(recent), recent.assign(fax=np.nan))
    assert [remark.rule for remark in found.remarks] == [
        "column `fax`: no row has a value: the model does not use it"
    ]
    assert found.verdict.passed


@pytest.mark.parametrize(
    ("aside", "past", "told"), [(3, [], 0), (6, [], 1), (6, [0.05] * 3, 0), (3, [0.0] * 3, 1)]
)
def test_more_rows_set_aside_than_usual_are_told(
    project: Callable[..., Any], remember: Callable[..., Any], aside: int, past: list[float], told: Any
):
    """Beyond what the last batches set aside; of the first ones, beyond half of the limit."""
    record = remember(tasks.validate)
    made = project()
    made = made.model_copy(update={"data": made.data.model_copy(update={"quarantine_limit": 0.1})})
    tasks.validate.tell_unusual(made, 100, aside, past)
    assert [each["kind"] for each in record.told] == ["rows.quarantined"] * told
