"""The watched window of the prediction log."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from regrow.errors import DataError
from tasks import read_window as task
from tasks.read_window import freeze_window

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC)


def test_a_window_without_predictions_is_an_error(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """No traffic is an error that names model and window, and no alarm: retraining does not cure it."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"logged for m between 2024-01-01 00:00 and 2024-01-08 00:00 UTC"):
        freeze_window("m", START, END, 100)


@pytest.mark.parametrize(("delay", "late"), [("7d", True), ("6d", False)])
def test_a_window_that_no_label_reaches_is_said(
    project, monkeypatch: pytest.MonkeyPatch, delay: str, late: bool
):
    """A window that was given at the call is held against the label delay, and the run says that it is too short."""
    tags, warned = {}, []
    run = SimpleNamespace(
        tag=lambda **given: tags.update(given), log_input=lambda *_: None, log_params=lambda _: None,
        log_metrics=lambda _: None,
    )  # fmt: skip
    window = SimpleNamespace(predictions=SimpleNamespace(rows=1), features=None)
    monkeypatch.setattr(task, "current", lambda: run)
    monkeypatch.setattr(task, "freeze_window", lambda *_: window)
    monkeypatch.setattr(task, "count_predictions", lambda *_: 1)
    monkeypatch.setattr(
        task, "get_run_logger", lambda: SimpleNamespace(warning=lambda *told: warned.append(told))
    )
    data = {
        "source": {"kind": "csv", "path": "rows.csv"},
        "target": "late",
        "timestamp": "at",
        "label_delay": delay,
    }
    task.read_window.function(project(data=data, monitoring={"window": "90d"}), START, END)
    assert (bool(tags), bool(warned)) == (late, late)
    assert not late or "in a window of 1w no event is old enough" in tags["late_labels"]
