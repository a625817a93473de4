"""Which schedules did not fire."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun, State, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule

from regrow.lineage.missed import ATTEMPTS, broken_runs, covering, moment_of, moments_between, read_missed

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

    def __init__(self, *runs: FlowRun, paused: bool = False) -> None:
        self.runs = sorted(runs, key=lambda each: each.expected_start_time, reverse=True)
        self.deployment = DeploymentResponse(
            name="loans",
            flow_id=uuid4(),
            created=at(1) - timedelta(hours=1),
            entrypoint="flows.monitor.monitor",
            paused=paused,
            schedules=[DeploymentSchedule(schedule=DAILY, active=True)],
        )

    def read_deployments(self, **_: object) -> list[DeploymentResponse]:
        return [self.deployment]

    def read_flow_runs(self, **_: object) -> list[FlowRun]:
        return [each for each in self.runs if each.expected_start_time <= NOW]


def missed(*runs: FlowRun, **changes: bool):
    """Return what the deployment with *runs* has missed."""
    return read_missed(Prefect(*runs, **changes), NOW, timedelta(minutes=10))


def test_moments_after_the_last_run_are_missed_and_told() -> None:
    """Days on which nothing ran are missed, whether Prefect had planned a run for them or not; a line names them."""
    (found,) = missed(run(at(6)), run(at(7), "SCHEDULED"))
    assert found.moments == (at(7), at(8), at(9), at(10))
    assert set(found.late) == {at(7)}
    assert str(found) == (
        "monitor loans: due 4 times without a run that ended (2026-03-07 06:30 to 2026-03-10 06:30)"
    )


def test_nothing_is_missed_if_all_ran_or_the_schedule_rests() -> None:
    """A run at each moment, a moment of which a run is under way, and a paused deployment are nothing missed."""
    assert missed(run(at(10))) == []
    assert missed(run(at(10), "RUNNING")) == []
    assert missed(run(at(2)), paused=True) == []


def test_a_run_by_hand_is_none_of_the_schedule() -> None:
    """A run that somebody started today does not hide what the schedule has missed."""
    by_hand = run(NOW - timedelta(hours=1))
    by_hand.parameters = {"trigger": "manual"}
    (found,) = missed(run(at(9)), by_hand)
    assert found.moments == (at(10),)


def test_a_run_that_did_what_was_missed_counts_for_that_moment() -> None:
    """A run with the missed moment as its `as_of`, which began later, leaves the moments after it missed."""
    done = run(NOW - timedelta(hours=2), as_of=at(8).isoformat())
    assert moment_of(done) == at(8)
    (found,) = missed(run(at(6)), done)
    assert found.moments == (at(9), at(10))


def test_a_model_that_is_new_has_missed_nothing_before_it_came() -> None:
    """Without any run the schedule counts from the moment at which the deployment was made."""
    (found,) = missed()
    assert (found.moments[0], len(found.moments)) == (at(1), 10)


@pytest.mark.parametrize(
    ("kind", "message", "counts"),
    [("CRASHED", "", True), ("FAILED", OUTAGE, True), ("FAILED", "exception: DataError: no rows", False)],
)
def test_a_run_that_an_outage_ended_is_done_again(kind: str, message: str, counts: bool) -> None:
    """A crashed run and one that a server's absence ended are due again; one that failed by its data is not."""
    found = missed(run(at(10), kind, message))
    assert [each.due() for each in found] == ([{at(10)}] if counts else [])


def test_a_moment_is_not_tried_for_ever() -> None:
    """After three runs of one moment that an outage ended, or one that ended well, it is left alone."""
    tries = [run(NOW, "CRASHED", as_of=at(10).isoformat()) for _ in range(ATTEMPTS)]
    assert broken_runs(tries[:2]) == [tries[0]]
    assert broken_runs(tries) == []
    assert broken_runs([run(NOW, as_of=at(10).isoformat()), tries[0]]) == []


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
