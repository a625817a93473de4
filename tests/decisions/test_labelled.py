"""Which served rows have their label, and where labels have matured."""

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from model_facts import make_facts
from served_rows import day, serve, tell, watch

from regrow.decisions.labelled import end_of_matured, label_window, label_windows

FACTS = make_facts(0, 1, id="id", timestamp="at")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def watched(project: Any) -> Any:
    """Make a project of rows whose id is unique."""
    return partial(watch, project)


def test_a_row_counts_once_and_a_labelled_prediction_always(watched: Any) -> None:
    """Of the watched version come each row's last prediction, and every one that was labelled itself.

    A label that is none of the model's classes is left out and counted, and so is a row without one.
    """
    made = watched()
    serve(made, ("a", "1", 0), ("b", "1", 1), ("c", "1", 2), ("e", None, 0), ("f", "3", 0), ("g", "4", 0))
    serve(made, ("d", "2", 0), version=1)
    labels = tell(
        made, prediction_id=["a", None, None, None], entity_id=[None, "1", "2", "3"],
        label=[0, 1, 1, "maybe"], labelled_at=[3] * 4,
    )  # fmt: skip
    found = label_window(made, 2, FACTS, labels, (), day(0), day(3))
    assert found.rows[["prediction_id", "target"]].to_numpy().tolist() == [["a", 0], ["c", 1]]
    assert (found.unfit, found.unlabelled, found.ambiguous) == (1, 2, 0)
    assert found.figure("accuracy", FACTS) == 0.5
    assert label_window(made, 9, FACTS, labels, (), day(0), day(3)).figure("accuracy", FACTS) is None


def test_the_window_ends_where_labels_have_come(watched: Any) -> None:
    """Without a word of the delay it is seen from the rows that have labels; a delay in the file is kept."""
    made = watched()
    serve(made, *[(f"p{n}", str(n), n // 50) for n in range(1500)])
    assert end_of_matured(made, day(30)) == day(30)
    tell(
        made,
        entity_id=[*map(str, range(1000))],
        label=[0, 1] * 500,
        labelled_at=[n // 50 + 10 for n in range(1000)],
    )
    assert end_of_matured(made, day(30)) == day(20)
    late = made.model_copy(update={"data": made.data.model_copy(update={"label_delay": timedelta(days=12)})})
    assert end_of_matured(late, day(30)) == day(18)
    windows = label_windows(made, 2, FACTS, timedelta(days=6), day(30))
    assert [len(window.rows) for window in windows] == [100, 300, 300, 300]
    assert set(windows[-1].rows["event_time"].dt.day) == set(range(15, 21))


def test_rows_that_nothing_names_are_left_out_by_their_time(watched: Any) -> None:
    """Without id and entity a row may be one that the version has learnt: it counts only if it is newer than those."""
    serve(made := watched(id=None), ("a", None, 0), ("b", None, 1), ("c", None, 2))
    labels = tell(made, prediction_id=["a", "b", "c"], label=[0, 1, 1], labelled_at=[3] * 3)
    learnt = FACTS.training.model_copy(update={"end": day(1)})
    facts = FACTS.model_copy(update={"training": learnt})
    found = label_window(made, 2, facts, labels, (), day(0), day(3))
    assert (found.rows["prediction_id"].tolist(), found.trained) == (["c"], 2)
    serve(named := watched(), ("a", "1", 0), ("b", "2", 1), ("c", "3", 2))
    assert label_window(named, 2, facts, labels, (), day(0), day(3)).trained == 0


def test_labels_of_rows_that_were_acted_on_do_not_count(watched: Any) -> None:
    """Of a window with a hold-back only the rows held back are judged, and waited for; a log of before counts whole."""
    made = watched()
    serve(made, ("a", "1", 0), ("b", "2", 1))
    labels = tell(made, entity_id=[*"12347"], label=[0, 1, 1, 0, 1], labelled_at=[5] * 5)
    before = label_window(made, 2, FACTS, labels, (), day(0), day(3))
    assert (len(before.rows), before.acted_on) == (2, 0)
    serve(made, ("c", "3", 0), ("d", "4", 1), ("e", "5", 1), ("f", "6", 1), held=[True, False, True, False])
    found = label_window(made, 2, FACTS, labels, (), day(0), day(3))
    assert found.rows["prediction_id"].tolist() == ["c"]
    assert (found.acted_on, found.unlabelled) == (4, 1)
