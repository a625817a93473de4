"""Which schedules did not fire."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun, State, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule

from regrow.lineage.missed import (
    ATTEMPTS,
    Missed,
    broken_runs,
    covering,
    moment_of,
    moments_between,
    read_missed,
    read_standing,
    window_of,
)
from regrow.project import Project

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAILY = CronSchedule(cron="30 6 * * *", timezone="UTC")
OUTAGE = "Flow run encountered an exception: Unreachable: MLflow does not answer"
SCHEDULED = {"trigger": "schedule"}


def at(day: int) -> datetime:
    """Return the moment on *day* of March at which the schedule is due."""
    return datetime(2026, 3, day, 6, 30, tzinfo=UTC)


def run(when: datetime, kind: str = "COMPLETED", message: str = "", **parameters: object) -> FlowRun:
    """Make a run that the schedule has asked for at *when*."""
    return FlowRun(
        flow_id=uuid4(),
        expected_start_time=when,
        parameters=SCHEDULED | parameters,
        state=State(type=StateType(kind), message=message),
    )


class Prefect:
    """Prefect's client with one deployment and its runs, newest first."""

    def __init__(self, *runs: FlowRun, paused: bool = False, changed: datetime | None = None) -> None:
        self.runs = sorted(runs, key=lambda each: each.expected_start_time, reverse=True)
        self.deployment = DeploymentResponse(
            name="loans",
            flow_id=uuid4(),
            created=at(1) - timedelta(hours=1),
            entrypoint="flows.monitor.monitor",
            paused=paused,
            schedules=[DeploymentSchedule(schedule=DAILY, active=True, updated=changed)],
        )

    def read_deployments(self, **_: object) -> list[DeploymentResponse]:
        return [self.deployment]

    def read_flow_runs(self, **_: object) -> list[FlowRun]:
        return [each for each in self.runs if each.expected_start_time <= NOW]


@pytest.fixture
def missed(project: Callable[..., Project]) -> Callable[..., list[Missed]]:
    """Return what finds what a deployment with some runs has missed, of a model that is watched over a *window*."""

    def find(*runs: FlowRun, window: str = "1d", **changes: Any) -> list[Missed]:
        made = project(name="loans", monitoring={"schedule": DAILY.cron, "window": window})
        return read_missed(Prefect(*runs, **changes), [made], NOW, timedelta(minutes=10))

    return find


def test_moments_after_the_last_run_are_missed_and_told(missed: Callable[..., list[Missed]]) -> None:
    """Days on which nothing ran are missed, whether Prefect had planned a run for them or not; a line names them."""
    (found,) = missed(run(at(6)), run(at(7), "SCHEDULED"))
    assert found.moments == (at(7), at(8), at(9), at(10))
    assert set(found.late) == {at(7)}
    assert str(found) == (
        "monitor loans: due 4 times without a run that ended (2026-03-07 06:30 to 2026-03-10 06:30)"
    )


@pytest.mark.parametrize(
    ("window", "changed", "expected"),
    [("1d", at(2), {at(6), at(8)}), ("25h", at(2), set()), ("1d", at(7), {at(8)}), ("1d", at(9), set())],
)
def test_a_newer_run_does_not_hide_what_was_missed_before_it(
    window: str, changed: datetime, expected: set[datetime], missed: Callable[..., list[Missed]]
) -> None:
    """Since the schedule stands, a moment that no run's window covers is missed, late or never planned.

    From before the schedule was changed nothing is asked for, nor from before the oldest run that is known.
    """
    found = missed(
        run(at(5)),
        run(at(6), "SCHEDULED"),
        run(at(7)),
        run(at(9)),
        run(at(10)),
        window=window,
        changed=changed,
    )
    assert {moment for each in found for moment in each.moments} == expected


def test_a_schedule_that_is_registered_anew_stands_since_before(project: Callable[..., Project]) -> None:
    """What was missed before a restart of the runner, which renews the schedule, is missed after it too."""
    made = project(name="loans", monitoring={"schedule": DAILY.cron, "window": "1d"})
    client: Any = Prefect(run(at(5)), run(at(10)), changed=at(2))
    standing = read_standing(client)
    client.deployment.schedules[0].updated = NOW
    assert read_missed(client, [made], NOW, timedelta(minutes=10)) == []
    (found,) = read_missed(client, [made], NOW, timedelta(minutes=10), standing)
    assert found.moments == (at(6), at(7), at(8), at(9))


def test_nothing_is_missed_if_all_ran_or_the_schedule_rests(missed: Callable[..., list[Missed]]) -> None:
    """A run at each moment, a moment of which a run is under way, and a paused deployment are nothing missed."""
    assert missed(run(at(10))) == []
    assert missed(run(at(10), "RUNNING")) == []
    assert missed(run(at(2)), paused=True) == []


def test_a_run_by_hand_is_none_of_the_schedule(missed: Callable[..., list[Missed]]) -> None:
    """A run that somebody started today does not hide what the schedule has missed."""
    by_hand = run(NOW - timedelta(hours=1))
    by_hand.parameters = {"trigger": "manual"}
    (found,) = missed(run(at(9)), by_hand)
    assert found.moments == (at(10),)


def test_a_run_that_did_what_was_missed_counts_for_that_moment(missed: Callable[..., list[Missed]]) -> None:
    """A run with the missed moment as its `as_of`, which began later, leaves the moments after it missed."""
    done = run(NOW - timedelta(hours=2), as_of=at(8).isoformat())
    assert moment_of(done) == at(8)
    (found,) = missed(run(at(6)), done)
    assert found.moments == (at(9), at(10))


def test_a_model_that_is_new_has_missed_nothing_before_it_came(missed: Callable[..., list[Missed]]) -> None:
    """Without any run the schedule counts from the moment at which the deployment was made."""
    (found,) = missed()
    assert (found.moments[0], len(found.moments)) == (at(1), 10)


@pytest.mark.parametrize(
    ("kind", "message", "counts"),
    [("CRASHED", "", True), ("FAILED", OUTAGE, True), ("FAILED", "exception: DataError: no rows", False)],
)
def test_a_run_that_an_outage_ended_is_done_again(
    kind: str, message: str, counts: bool, missed: Callable[..., list[Missed]]
) -> None:
    """A crashed run and one that a server's absence ended are due again; one that failed by its data is not."""
    found = missed(run(at(10), kind, message))
    assert [each.due() for each in found] == ([{at(10)}] if counts else [])


def test_a_moment_is_not_tried_for_ever() -> None:
    """After three runs of one moment that an outage ended, or one that ended well, it is left alone."""
    tries = [run(NOW, "CRASHED", as_of=at(10).isoformat()) for _ in range(ATTEMPTS)]
    assert broken_runs(tries[:2], None) == [tries[0]]
    assert broken_runs(tries, None) == []
    assert broken_runs([run(NOW, as_of=at(10).isoformat()), tries[0]], None) == []


@pytest.mark.parametrize(("window", "due"), [("1d", {at(9)}), ("25h", set())])
def test_a_time_that_a_later_run_has_looked_at_needs_no_run(
    missed: Callable[..., list[Missed]], window: str, due: set[datetime]
) -> None:
    """A run that crashed is not done again if a later one completed whose window reaches back to it, and else is."""
    found = missed(run(at(10)), run(at(9), "CRASHED"), window=window)
    assert {moment for each in found for moment in each.due()} == due


def test_how_far_back_a_run_looks(project: Callable[..., Project]) -> None:
    """A monitoring looks at its window; a training and a look at a rollout are of the present."""
    made = project(monitoring={"window": "2d"})
    assert window_of(made, "monitor") == timedelta(days=2)
    assert window_of(made, "rollout") is None


def test_moments_of_a_month_of_minutes_are_all_found() -> None:
    """More moments than Prefect makes at a time are found, each once; the end counts, the start does not."""
    every = CronSchedule(cron="*/10 * * * *", timezone="UTC")
    found = moments_between(every, NOW - timedelta(days=20), NOW)
    assert len(found) == len(set(found)) == 20 * 144
    assert (found[0], found[-1]) == (NOW - timedelta(days=20) + timedelta(minutes=10), NOW)


def test_the_fewest_moments_cover_what_was_missed() -> None:
    """Windows of a day cover hourly moments with one a day; the newest is always among them."""
    hours = [NOW - timedelta(hours=back) for back in range(60)]
    assert covering(hours, timedelta(days=1)) == [NOW - timedelta(hours=back) for back in (48, 24, 0)]
    assert covering(hours, None) == [NOW]
    assert covering([], timedelta(days=1)) == []
