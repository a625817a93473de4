"""Parts that end are started again, with back-off, and without touching the others."""

from dataclasses import dataclass, field

import pytest

from regrow.base.errors import StateError
from regrow.services.supervision import (
    DOWN_PAUSE,
    HEALTHY_SECONDS,
    PROBE_PAUSE,
    PROBES,
    START_SECONDS,
    TRIES,
    Supervisor,
    Watched,
)


@dataclass
class Fake:
    """A part that starts, answers and ends as a test wants it."""

    name: str
    needs: tuple[str, ...] = ()
    ended: str | None = None
    answering: bool = True
    error: Exception | None = None
    starts: int = 0
    killed: int = 0

    def start(self) -> None:
        self.starts += 1
        if self.error:
            raise self.error
        self.ended = None

    def how_it_ended(self) -> str | None:
        return self.ended

    def answers(self) -> bool:
        return self.answering

    def kill(self) -> None:
        self.killed += 1
        self.ended = "killed"

    def die(self) -> None:
        self.ended = f"{self.name} has stopped (killed by signal 9)"


@dataclass
class House:
    """A supervisor of fakes on a clock of its own."""

    parts: tuple[Fake, ...]
    now: float = 1000.0
    told: list[str] = field(default_factory=list)
    changes: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.parts, self.told.append, self.note, lambda: self.now)

    def note(self, one: Watched) -> None:
        self.changes.append((one.part.name, one.state))

    def state(self, name: str) -> str:
        return self.supervisor.watched[name].state

    def pass_by(self, seconds: float) -> None:
        """Look every half second, *seconds* long."""
        end = self.now + seconds
        while self.now < end:
            self.supervisor.look()
            self.now += 0.5


def test_one_that_ends_comes_back_and_the_others_are_not_touched() -> None:
    """A part that is killed twice is started twice; the others are not started, and both events are told."""
    tracker, server = Fake("MLflow"), Fake("the model server")
    house = House((tracker, server))
    for restart in (1, 2):
        tracker.die()
        house.pass_by(4)
        assert (tracker.starts, house.state("MLflow")) == (restart, "answers")
        assert f"MLflow answers again after 0.5 s (restart {restart})" in house.told[-1]
    assert (server.starts, server.killed) == (0, 0)
    assert "killed by signal 9" in house.told[0] and "started again in 1 s" in house.told[0]
    assert house.changes[-1] == ("MLflow", "answers")


def test_one_that_hangs_is_ended_and_comes_back() -> None:
    """A part that runs and is silent again and again is ended and started again; a shorter silence is forgiven."""
    server, other = Fake("the model server"), Fake("MLflow")
    house = House((server, other))
    for _ in range(2):
        server.answering = False
        house.pass_by((PROBES - 2) * PROBE_PAUSE)
        server.answering = True
        house.pass_by(2 * PROBE_PAUSE)
    assert (server.killed, server.starts) == (0, 0)
    server.answering = False
    house.pass_by((PROBES + 1) * PROBE_PAUSE)
    assert (server.killed, server.starts) == (1, 1)
    assert f"has not answered {PROBES} times in a row" in house.told[0]
    server.answering = True
    house.pass_by(1)
    assert house.state("the model server") == "answers"
    assert (other.killed, other.starts) == (0, 0)


def test_one_that_hangs_after_each_start_stays_down() -> None:
    """A part that answers for some seconds after each start, and then hangs, counts as down at last."""
    part = Fake("MLflow")
    house = House((part,))
    for _ in range(TRIES):
        part.answering = True
        while house.state("MLflow") != "answers":
            house.pass_by(0.5)
        house.pass_by(5)
        part.answering = False
        house.pass_by(PROBES * PROBE_PAUSE + 5)
    assert any("stays down" in line for line in house.told)


def test_pauses_double_and_a_healthy_minute_forgets_them() -> None:
    """The pauses are 1, 2, 4 … 60 s; after a minute in which the part answered they begin anew."""
    part = Fake("MLflow")
    house = House((part,))
    for seconds in (1, 2, 4):
        part.die()
        house.pass_by(seconds)
        assert part.starts == house.supervisor.watched["MLflow"].failures - 1
        house.pass_by(1.5)
        assert f"in {seconds} s" in house.told[-2]
    house.pass_by(HEALTHY_SECONDS)
    part.die()
    house.pass_by(2.5)
    assert "in 1 s" in house.told[-2]


@pytest.mark.parametrize("failure", ["ends", "cannot start", "is silent"])
def test_one_that_cannot_start_stays_down_is_told_and_is_tried_later(failure: str) -> None:
    """After the last try the part counts as down, the others go on, and it comes back once it can."""
    part, other = Fake("MLflow"), Fake("Prefect")
    house = House((part, other))
    part.die()
    if failure == "cannot start":
        part.error = StateError("the disk is full")
    elif failure == "is silent":
        part.answering = False
    else:
        part.start = part.die
    house.pass_by(2 * TRIES * START_SECONDS if failure == "is silent" else 400)
    assert house.state("MLflow") in {"down", "starting"}
    assert any("stays down" in line and "the rest goes on" in line for line in house.told)
    assert house.state("Prefect") == "answers" and other.starts == 0
    tries = len(house.told)
    house.pass_by(DOWN_PAUSE / 2)
    assert len(house.told) <= tries + 1
    part.error, part.answering = None, True
    part.__dict__.pop("start", None)
    house.pass_by(DOWN_PAUSE + START_SECONDS)
    assert house.state("MLflow") == "answers"


def test_one_waits_for_what_it_needs_and_spends_no_tries_on_it() -> None:
    """Without the database its clients are not started; once it answers they are, at the first try."""
    database, tracker = Fake("PostgreSQL"), Fake("MLflow", ("PostgreSQL", "elsewhere"))
    house = House((database, tracker))
    database.die()
    tracker.die()
    database.error = StateError("the disk is full")
    house.pass_by(300)
    assert (tracker.starts, house.state("PostgreSQL")) == (0, "down")
    database.error = None
    house.pass_by(DOWN_PAUSE)
    assert (tracker.starts, house.state("MLflow")) == (1, "answers")
