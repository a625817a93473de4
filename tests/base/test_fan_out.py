"""Chunks that are worked on in this process, or on the workers of Dask: the same answers, in the same order."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import pytest
from distributed import LocalCluster

from regrow.base import fan_out
from regrow.base.errors import DataError, Unreachable
from regrow.base.fan_out import open_workers


@dataclass(frozen=True)
class Doubles:
    """Doubles a number, and tells in which process; dies at the number that is to kill it, the first time.

    It takes *seconds* for each, so that no worker is through with all before the other one has begun.
    """

    marks: Path
    killer: int = -1
    bad: int = -1
    seconds: float = 0

    def __call__(self, number: int) -> tuple[int, int]:
        time.sleep(self.seconds)
        if number == self.bad:
            raise DataError("column 'n', row 0: bad")
        if number == self.killer and not (mark := self.marks / "killed").exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * number, os.getpid()


def endless(read: list[int]) -> Iterator[int]:
    """Count, and remember how far it was read."""
    for number in range(1000):
        read.append(number)
        yield number


def test_without_an_address_chunks_are_worked_on_here(tmp_path: Path) -> None:
    """In this process, in their order; few are read ahead, and whoever stops early leaves no thread behind."""
    read: list[int] = []
    before = threading.active_count()
    with open_workers(None) as each:
        answers = each(Doubles(tmp_path), endless(read))
        assert [next(answers), next(answers)] == [(0, os.getpid()), (2, os.getpid())]
        time.sleep(0.2)
        assert 2 <= len(read) <= 5
        answers.close()
        assert threading.active_count() == before


def test_what_is_used_is_made_while_the_one_before_is_used() -> None:
    """Reading, working and using take as long as the slowest of the three, not as their sum."""

    def slow(numbers: range) -> Iterator[int]:
        for number in numbers:
            time.sleep(0.05)
            yield number

    def work(number: int) -> int:
        time.sleep(0.05)
        return number

    began = time.monotonic()
    with open_workers(None) as each:
        for _ in each(work, slow(range(20))):
            time.sleep(0.05)
    assert 1.0 < time.monotonic() - began < 2.4


def test_an_error_comes_after_what_was_made_before(tmp_path: Path) -> None:
    """What reading or working raises is raised where the answer is asked for, in the same words."""

    def broken() -> Iterator[int]:
        yield 1
        raise DataError("row 3: broken")

    with open_workers(None) as each:
        answers = each(Doubles(tmp_path), broken())
        assert next(answers)[0] == 2
        with pytest.raises(DataError, match="row 3: broken"):
            next(answers)
        with pytest.raises(DataError, match="column 'n'"):
            list(each(Doubles(tmp_path, bad=3), range(10)))
        assert list(each(Doubles(tmp_path), range(0))) == []


def test_what_reads_and_works_knows_the_run_that_it_belongs_to() -> None:
    """A variable of the context that the caller has set is there: Prefect finds its run by one."""
    known: ContextVar[str] = ContextVar("known", default="")
    token = known.set("a run")
    with open_workers(None) as each:
        assert list(each(lambda _: known.get(), range(2))) == ["a run", "a run"]
    known.reset(token)


def test_two_workers_answer_as_this_process_does(tmp_path: Path) -> None:
    """Two processes share the chunks, the answers keep their order, few chunks are read ahead, an error is its own."""
    with open_workers("local:2") as each:
        answers = list(each(Doubles(tmp_path, killer=7, seconds=0.05), range(40)))
        assert [number for number, _ in answers] == list(range(0, 80, 2))
        assert len({process for _, process in answers} - {os.getpid()}) >= 2
        assert (tmp_path / "killed").exists(), "a worker was to die"
        read: list[int] = []
        ahead = each(Doubles(tmp_path), endless(read))
        next(ahead)
        assert len(read) <= 2 * fan_out.AHEAD + 2
        with pytest.raises(DataError, match="column 'n', row 0: bad"):
            list(each(Doubles(tmp_path, bad=3), range(10)))


def test_a_scheduler_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a scheduler, or without a worker, the error names the address and what to do; nothing is read."""
    monkeypatch.setattr(fan_out, "CONNECT", 1)
    with (
        pytest.raises(
            Unreachable, match=r"scheduler at tcp://127.0.0.1:1 does not answer.*unset REGROW_DASK"
        ),
        open_workers("tcp://127.0.0.1:1"),
    ):
        pass
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as lonely,
        pytest.raises(Unreachable, match="has no worker"),
        open_workers(lonely.scheduler_address),
    ):
        pass
