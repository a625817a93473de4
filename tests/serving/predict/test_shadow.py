"""Scoring in shadow: what is scored, what is dropped, and that both are counted."""

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from regrow.data.predictions import SHADOW
from regrow.models.contract import Rows
from regrow.serving.log.journal import Journal
from regrow.serving.log.lines import RAISED, TIMEOUT, Attribution
from regrow.serving.log.segments import read_segment, segments
from regrow.serving.metrics import ServerMetrics
from regrow.serving.predict import shadow as module
from regrow.serving.predict.jobs import Job
from regrow.serving.predict.shadow import ShadowThread


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


@pytest.fixture
def make(tmp_path: Path):
    """Run shadow threads, each with a journal of its own, and end them."""
    running = []

    def start(timeout: Any = 60.0):
        running.append(ShadowThread("demo", Journal(tmp_path), ServerMetrics(), timeout))
        return running[-1]

    yield start
    for thread in running:
        thread.stop()
        thread.join(10)
        assert not thread.is_alive()


def predicting(go: Any = None, seconds: Any = 0.0):
    def predict(requests: Any):
        if go is not None:
            go.wait(10)
        time.sleep(seconds)
        hours = [hour for rows in requests for hour in rows.features["hour"]]
        if -1 in hours:
            raise ValueError("no such hour")
        return np.array(hours, dtype=float)

    return SimpleNamespace(version=4, predict=predict)


def job(served: Any, *hours: Any):
    rows = Rows({"hour": list(hours)}, len(hours), [None] * len(hours), [None] * len(hours))
    names = [f"p{hour}" for hour in hours]
    attribution = Attribution(4, SHADOW, "v4-a", 0)
    return Job(served, attribution, range(len(hours)), rows, rows, {"hour": "double"}, names, 0.0)


def until(condition: Any):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def counted(thread: Any, name: Any):
    labels = {"model": "demo", "version": "4"} | ({} if "dropped" in name else {"role": SHADOW})
    return thread._metrics.registry.get_sample_value(name, labels) or 0


def logged(thread: Any, count: Any):
    until(lambda: counted(thread, "regrow_rows_total") >= count)
    thread.stop()
    thread.join(10)
    thread._journal.rotate()
    rows = [row for path in segments(thread._journal.path) for row in read_segment(path)[1]]
    return {row["shadow_of"]: (row["prediction"], row.get("fallback")) for row in rows}


def test_what_is_offered_is_scored_and_logged(make: Any):
    """Each row stands in the log with the row that it is a shadow of; one that raises spoils no other."""
    thread, served = make(), predicting()
    thread.offer((job(served, 1, 2), job(served, -1), job(served, 3)))
    assert logged(thread, 4) == {
        "p1": ([1.0], None),
        "p2": ([2.0], None),
        "p-1": (None, RAISED),
        "p3": ([3.0], None),
    }
    assert counted(thread, "regrow_errors_total") == 1


def test_a_challenger_that_is_not_there_has_failed(make: Any):
    """Rows of a version that could not be loaded are logged as failed, so that the rollout sees them."""
    thread = make()
    thread.offer((job(None, 1, 2),))
    assert logged(thread, 2) == {"p1": (None, RAISED), "p2": (None, RAISED)}


def test_a_shadow_that_would_have_come_too_late_has_failed(make: Any):
    """A version that takes longer than its timeout fails in shadow as it would before a client."""
    thread = make(timeout=0.01)
    thread.offer((job(predicting(seconds=0.05), 1),))
    assert logged(thread, 1) == {"p1": (None, TIMEOUT)}


def test_what_does_not_fit_is_dropped_and_counted(make: Any, monkeypatch: pytest.MonkeyPatch):
    """The queue takes so many rows and no more, though always one job; what waits at the end is dropped too."""
    monkeypatch.setattr(module, "QUEUE_ROWS", 3)
    monkeypatch.setattr(module, "BATCH_ROWS", 1)
    go, thread = threading.Event(), make()
    held = predicting(go)
    thread.offer((job(held, 1),))
    until(lambda: not thread._waiting)
    thread.offer((job(predicting(), 2, 3, 4, 5),))
    assert counted(thread, "regrow_shadow_dropped_total") == 0
    thread.offer((job(predicting(), 6), job(predicting(), 7, 8)))
    assert counted(thread, "regrow_shadow_dropped_total") == 3
    thread.stop()
    go.set()
    thread.join(10)
    assert counted(thread, "regrow_shadow_dropped_total") == 7
    assert counted(thread, "regrow_rows_total") == 1


def test_a_full_disk_is_seen_until_there_is_room(make: Any, monkeypatch: pytest.MonkeyPatch):
    """Shadows that cannot be logged are dropped and counted, the reason stands in `error`, and the next one goes on."""
    thread = make()
    with monkeypatch.context() as patch:
        patch.setattr(
            "regrow.serving.log.journal.os.write", lambda *_: (_ for _ in ()).throw(OSError(28, "full"))
        )
        thread.offer((job(predicting(), 1, 2),))
        until(lambda: counted(thread, "regrow_shadow_dropped_total") == 2)
        assert "full" in thread.error
    thread.offer((job(predicting(), 3),))
    until(lambda: thread.error is None)
    assert logged(thread, 3) == {"p3": ([3.0], None)}
