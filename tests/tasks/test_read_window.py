"""The watched window of the prediction log."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from regrow.base.errors import DataError
from tasks import read_window as module
from tasks.read_window import find_window, read_window

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC)


def test_a_window_without_predictions_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No traffic is an error that names model and window, and no alarm: retraining does not cure it."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"logged for m between 2024-01-01 00:00 and 2024-01-08 00:00 UTC"):
        find_window("m", START, END, 100)


def test_missing_traffic_is_told(
    project: Callable[..., Any], remember: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The step fails as the window does, and tells that there is no traffic."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    record = remember(module)
    with pytest.raises(DataError):
        read_window.function(project(), START, END)
    assert [(told["kind"], told["as_of"]) for told in record.told] == [("traffic.missing", END)]
