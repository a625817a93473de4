"""The champion on the labels that have matured."""

import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from model_facts import NOWHERE, make_facts
from served_rows import day, serve, tell, watch

from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.decisions.labelled import Labelled, label_window, label_windows
from regrow.decisions.performance import Holdout, judge_performance
from regrow.models.results import Candidate, Evaluation
from regrow.project import load_project
from regrow.registry import Version
from tasks import measure_performance
from tasks.measure_performance import (
    describe_past,
    describe_rows,
    describe_window,
    holdout_figure,
    tell_late,
    window_figures,
)
from tasks.register import version_tags

FACTS = make_facts(0, 1, id="id", timestamp="at")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def watched(project: Any) -> Any:
    """Make a project of rows whose id is unique."""
    return partial(watch, project)


@pytest.mark.parametrize(("labels", "told"), [(0, True), (95, False)])
def test_labels_that_should_be_there_are_told_late(
    project: Any, monkeypatch: pytest.MonkeyPatch, labels: int, told: bool
) -> None:
    """Labels that came for the windows before and not for this one, long after their delay, are an event."""
    events: list[tuple[str, str]] = []
    monkeypatch.setattr(
        measure_performance, "announce", lambda _, kind, reason, **__: events.append((kind, reason))
    )
    rows = pd.DataFrame({"prediction_id": range(95)})
    windows = [
        Labelled(day(start), day(start + 7), rows.head(have), np.zeros(have), 95 - have)
        for start, have in ((1, 95), (8, 95), (15, labels))
    ]
    source = {"kind": "csv", "path": "rows.csv"}
    made = project(data={"source": source, "target": "late", "timestamp": "at", "label_delay": "2d"})
    tell_late(made, windows, day(24))
    assert bool(events) == told
    if told:
        assert events[0][0] == "labels.late"
        assert events[0][1].startswith("0 of 95 rows up to ")


def test_rows_that_the_champion_was_trained_on_are_left_out(watched: Any) -> None:
    """A batch that holds training rows does not make its champion look better than it is."""
    made = watched()
    serve(made, ("a", "1", 0), ("b", "2", 1))
    tell(made, entity_id=["1", "2"], label=[0, 1], labelled_at=[3, 3])
    rows = pd.DataFrame({"id": [1, 9], "at": pd.to_datetime([day(0), day(0)]), "late": [0, 1]})
    trained = FACTS.model_copy(update={"training": write_snapshot(rows, "at")})
    found = label_windows(made, 2, trained, timedelta(days=3), day(3))[-1]
    assert (found.rows["prediction_id"].tolist(), found.trained) == (["b"], 1)
    described = describe_rows(found, made.name, 2, day(3))
    assert (described.rows, described.version, described.labels) == (1, 0, 0)
    other = describe_rows(replace(found, rows=found.rows.assign(target=[0])), made.name, 2, day(3))
    assert other.digest != described.digest


def test_a_label_of_no_known_prediction_is_counted(watched: Any) -> None:
    """It was taken, as its prediction may reach the log after it; if it never does, the finding says how many such."""
    made = watched()
    serve(made, ("a", "1", 0), ("b", "2", 1))
    tell(made, prediction_id=["a", "never", "long ago"], label=[0, 1, 1], labelled_at=[2, 2, -9])
    windows = label_windows(made, 2, FACTS, timedelta(days=3), day(3))
    assert [window.unknown for window in windows] == [0, 0, 0, 1]
    holdout, window = Holdout("accuracy", 0.6, 100, FACTS.classes), windows[-1]
    found = judge_performance(window.target, window.prediction, holdout, made.monitoring.performance)
    said = describe_window(found, window, 0).detail
    assert "1 labels name a prediction that the log does not hold" in said


def test_a_finding_says_what_it_is_of_and_what_is_open(watched: Any) -> None:
    """Beside the figure stand the events, the rows without a label, those left out, and those that are too young."""
    made = watched()
    serve(made, *[(f"p{n}", str(n), n / 10) for n in range(10)])
    labels = tell(made, entity_id=[*map(str, range(8))], label=[0, 1] * 4, labelled_at=[3] * 8)
    window = label_window(made, 2, FACTS, labels, (), day(0), day(1))
    holdout = Holdout("accuracy", 0.6, 100, FACTS.classes)
    found = judge_performance(window.target, window.prediction, holdout, made.monitoring.performance)
    said = describe_window(found, window, 7).detail
    assert "8 of 500 labels; events from 2024-01-01 00:00 to 2024-01-02 00:00 UTC" in said
    assert "2 rows without a label" in said
    assert said.endswith("7 later rows are still open")
    assert window_figures(window, "accuracy", FACTS) == {
        "performance.window.labels": 8.0,
        "performance.window.open": 2.0,
        "performance.window.accuracy": 0.5,
    }
    empty = label_window(made, 9, FACTS, labels, (), day(0), day(1))
    assert isinstance(empty, Labelled)
    assert window_figures(empty, "accuracy", FACTS) == {}


LARGE = Snapshot(uri="file:///none", digest="0" * 64, rows=1_000, columns={})
FLIGHTS = Path(__file__).parents[2] / "configs" / "flights.yaml"


def version(tags: dict[str, str]) -> Version:
    return Version(name="m", number=2, model_id="m-1", run_id="r", tags=tags)


def test_earlier_windows_are_told_with_the_labels_of_now() -> None:
    """The page says of each earlier window what it comes to by now, and what is open; an empty one is left out."""
    right, none = pd.DataFrame({"prediction_id": ["p", "q"], "target": [0, 1]}), pd.DataFrame({"target": []})
    sure = np.array([[0.9, 0.1], [0.2, 0.8]])
    windows = [
        Labelled(day(1), day(2), none, np.zeros((0, 2)), 0),
        Labelled(day(2), day(3), right, sure, 1),
        Labelled(day(3), day(4), none, np.zeros((0, 2)), 7),
    ]
    measured = [(window, window_figures(window, "accuracy", FACTS)) for window in windows]
    (told,) = describe_past(measured, "accuracy")
    assert told == (
        "Windows before it, with the labels of now: "
        f"accuracy 1.000 until {day(3):%Y-%m-%d %H:%M} (2 labels, 1 open); "
        f"no accuracy until {day(4):%Y-%m-%d %H:%M} (0 labels, 7 open)"
    )
    assert describe_past(measured[:1], "accuracy") == ()


def test_a_figure_stands_on_the_rows_it_came_from():
    """A version judged on 300 unseen rows of a holdout of 1,000 is held against a figure of 300 rows."""
    held = make_facts(False, True, id="id", holdout=LARGE)
    evaluation = Evaluation(
        candidate=Candidate(model_id="m-1", run_id="r", recipe="x", facts=held),
        champion_version=1,
        rows=300,
        metrics={"roc_auc": 0.7},
        baseline={"roc_auc": 0.5},
        champion={"roc_auc": 0.6},
        slices=(),
        predictions=NOWHERE,
    )
    tags = version_tags(load_project(FLIGHTS), evaluation, "manual", "2024-01-01", "f")
    found = holdout_figure(version(tags), held, "roc_auc")
    assert (found.figure, found.rows, found.rows_are_known) == (0.7, 300, True)


def test_a_version_of_0_1_falls_back_to_the_whole_holdout():
    """A version that does not say how many rows its figure is of is given the holdout's, as a guess that is told."""
    held = make_facts(False, True, id="id", holdout=LARGE)
    found = holdout_figure(version({"regrow.metrics": json.dumps({"roc_auc": 0.7})}), held, "roc_auc")
    assert (found.rows, found.rows_are_known) == (1_000, False)
