"""What is predicted together, and that no request spoils another."""

# Stand-ins for the parts beside what is tested are of no declared type.
# pyright: reportArgumentType=false

import asyncio
import threading
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.base.errors import InvalidRequest, ModelFailed, Overloaded, Unavailable
from regrow.data.predictions import CHALLENGER, CHAMPION
from regrow.models.contract import Rows
from regrow.serving.log.journal import Journal
from regrow.serving.log.lines import Attribution
from regrow.serving.log.segments import read_segment, segments
from regrow.serving.metrics import ServerMetrics
from regrow.serving.predict import batching
from regrow.serving.predict.batching import PredictionThread, explain, predict_jobs, take_batch
from regrow.serving.predict.jobs import Job

TYPES = {"hour": "double"}


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


class Version:
    """A version that predicts the number it is given; it raises on -1, and -2 is not a number to it."""

    version = 3

    def predict(self, requests: Any):
        values = [value for rows in requests for value in rows.features["hour"]]
        if -1 in values:
            raise ValueError("no such hour")
        return np.array([np.nan if value == -2 else value for value in values], dtype=float)


def job(served: Any, *hours: Any, must_be_finite: Any = False):
    count = len(hours)
    rows = Rows({"hour": list(hours)}, count, [None] * count, [None] * count)
    names, attribution = [f"p{index}" for index in range(count)], Attribution(3, CHALLENGER)
    return Job(
        served, attribution, range(count), rows, rows, TYPES, names, 0.0, must_be_finite=must_be_finite
    )


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9)), min_size=1), st.integers(1, 20))
def test_a_batch_is_the_next_of_one_version_and_few_rows(waiting: Any, most: Any):
    """No job is lost or overtakes another; a batch has one version, and more than *most* rows only if it is one job."""
    versions = [Version(), Version()]
    jobs = [job(versions[which], *range(count)) for which, count in waiting]
    queue = deque(jobs[1:])
    batch, left = take_batch(jobs[0], lambda: queue.popleft() if queue else None, most)
    assert [*batch, *([left] if left else []), *queue] == jobs
    assert {id(each.served) for each in batch} == {id(jobs[0].served)}
    assert len(batch) == 1 or sum(each.rows.count for each in batch) <= most
    if left is not None:
        rows = sum(each.rows.count for each in (*batch, left))
        assert left.served is not jobs[0].served or rows > most


@given(st.lists(st.lists(st.sampled_from([-2.0, -1.0, 0.0, 7.0]), min_size=1, max_size=3), min_size=1))
def test_each_job_gets_its_own_answer_whatever_stands_beside_it(requests: Any):
    """A job that fails gets its own error, every other one its own values, as if it were predicted alone."""
    served = Version()
    jobs = [job(served, *hours, must_be_finite=True) for hours in requests]
    outcomes = predict_jobs(served, jobs)
    assert [each for each, _ in outcomes] == jobs
    for (_, values), hours in zip(outcomes, requests, strict=True):
        if -1.0 in hours:
            assert isinstance(values, ValueError)
        else:
            assert values == [None if hour == -2.0 else hour for hour in hours]


@pytest.mark.parametrize(("finite", "expected"), [(True, [1.0, None]), (False, [1.0, np.nan])])
def test_only_who_can_fall_back_loses_a_value_that_is_not_finite(finite: Any, expected: Any):
    """A challenger's NaN is left to the champion; the champion's own is the client's, and stands beside others."""
    served = Version()
    jobs = [job(served, 1.0, -2.0, must_be_finite=finite), job(served, 5.0, must_be_finite=True)]
    np.testing.assert_equal([values for _, values in predict_jobs(served, jobs)], [expected, [5.0]])


@pytest.mark.parametrize(
    ("raised", "told", "said"),
    [
        (ValueError("no such hour"), InvalidRequest, "version 3 cannot predict these rows: no such hour"),
        (TypeError("a list"), InvalidRequest, "version 3 cannot predict these rows: a list"),
        (MemoryError("no room"), ModelFailed, "version 3 failed: MemoryError: no room"),
    ],
)
def test_the_client_is_told_whose_fault_it_is(raised: Any, told: Any, said: Any):
    """What the rows are to blame for is theirs, everything else the model's; a long message is cut."""
    error = explain(Version(), raised)
    assert (type(error), str(error)) == (told, said)
    assert len(str(explain(Version(), ValueError("x" * 9000)))) < 500


@pytest.fixture
async def thread(tmp_path: Path):
    running = PredictionThread("demo", CHAMPION, Journal(tmp_path), ServerMetrics())
    yield running
    await running.close(10)
    assert not running.is_alive()


def logged(thread: Any):
    thread._journal.rotate()
    read = [read_segment(path) for path in segments(thread._journal.path)]
    assert not any(damaged for *_, damaged in read)
    return [row["prediction"] for _, rows, _ in read for row in rows]


async def test_an_answer_comes_once_its_rows_are_in_the_journal(thread: Any):
    """Whoever has an answer finds it on the disk; whoever is told of a failure finds nothing."""
    assert await thread.put(job(Version(), 1.0, 2.0)) == [1.0, 2.0]
    assert logged(thread) == [[1.0], [2.0]]
    with pytest.raises(InvalidRequest, match="no such hour"):
        await thread.put(job(Version(), -1.0))
    assert logged(thread) == [[1.0], [2.0]]


async def test_rows_that_are_all_left_to_the_champion_damage_no_log(thread: Any):
    """A request of which no row has a finite prediction writes nothing, so no segment is set aside as damaged."""
    assert await thread.put(job(Version(), -2.0, -2.0, must_be_finite=True)) == [None, None]
    assert await thread.put(job(Version(), 5.0)) == [5.0]
    assert logged(thread) == [[5.0]]


async def test_what_the_clock_has_ended_is_neither_answered_nor_logged(thread: Any):
    """A job that somebody else has claimed is passed over; the next one is answered."""
    ended = job(Version(), 1.0)
    ended.claim.acquire()
    late = thread.put(ended)
    assert await thread.put(job(Version(), 2.0)) == [2.0]
    assert not late.done()
    assert logged(thread) == [[2.0]]


async def test_a_full_disk_is_told_and_the_thread_goes_on(thread: Any, monkeypatch: pytest.MonkeyPatch):
    """No answer that is not logged: the client is told to come again, and is answered once there is room."""

    def fail(*_):
        raise OSError(28, "full")

    with monkeypatch.context() as patch:
        patch.setattr("regrow.serving.log.journal.os.write", fail)
        with pytest.raises(Unavailable, match="full") as error:
            await thread.put(job(Version(), 1.0))
    assert error.value.code == "journal_unavailable"
    assert await thread.put(job(Version(), 2.0)) == [2.0]


async def test_a_disk_that_fails_in_any_way_ends_no_lane(thread: Any, monkeypatch: pytest.MonkeyPatch):
    """Whatever the journal raises, every job of the batch is told, and the thread lives."""

    def fail(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(thread._journal, "append", fail)
        with pytest.raises(Unavailable, match="Input/output error"):
            await thread.put(job(Version(), 1.0))
    assert thread.is_alive()
    assert await thread.put(job(Version(), 2.0)) == [2.0]


async def test_a_full_queue_refuses_the_next(thread: Any, monkeypatch: pytest.MonkeyPatch):
    """As many requests wait as may, and no more."""
    thread.require_room()
    monkeypatch.setattr(batching, "QUEUE_REQUESTS", 0)
    with pytest.raises(Overloaded, match="0 requests wait"):
        thread.require_room()


async def test_a_batch_is_late_by_the_clock_or_once_somebody_has_given_up(thread: Any):
    """Lateness is that of the batch under way: before it began and after it ended nothing is late."""
    began, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    class Slow(Version):
        def predict(self, requests: Any):
            loop.call_soon_threadsafe(began.set)
            go.wait(10)
            return super().predict(requests)

    assert thread.late_seconds(-1.0) == 0.0
    waiting = thread.put(job(Slow(), 1.0))
    await began.wait()
    assert thread.late_seconds(60.0) == 0.0
    assert thread.late_seconds(0.0) > 0.0
    thread.mark_late()
    assert thread.late_seconds(60.0) > 0.0
    go.set()
    assert await waiting == [1.0]
    assert thread.late_seconds(60.0) == 0.0
