"""The schedules of a project file."""

from collections.abc import Callable
from typing import Any

import pytest

from regrow.base.errors import ProjectError
from regrow.project.check import check_project
from regrow.project.schedules import check_cron, check_fires, period_of, runs_a_year, schedules_of


def test_schedules_are_listed_by_their_key(project: Callable[..., Any]) -> None:
    """Only what the file sets is a schedule, under the key where it stands."""
    made = project(monitoring={"schedule": "0 6 * * 1"}, retraining={"schedule": "0 7 1 * *"})
    assert schedules_of(made) == {"monitoring.schedule": "0 6 * * 1", "retraining.schedule": "0 7 1 * *"}
    assert schedules_of(project()) == {}


@pytest.mark.parametrize("cron", ["every day", "61 * * * *", "* * *"])
def test_what_is_not_cron_is_named(project: Callable[..., Any], cron: str) -> None:
    """A schedule that Prefect would refuse is an error with file, key and an example."""
    made = project()
    with pytest.raises(ProjectError) as raised:
        check_cron(made, "monitoring.schedule", cron)
    assert (
        str(raised.value)
        == f"{made.path}: monitoring.schedule: `{cron}` is not cron; `0 6 * * 1` is Monday 06:00"
    )
    check_cron(made, "monitoring.schedule", "0 6 * * 1")


def test_a_schedule_with_seconds_is_refused(project: Callable[..., Any]) -> None:
    """Others put seconds first, Prefect last: who writes 06:00 on the first would get each second of one minute."""
    with pytest.raises(ProjectError, match=r"`0 0 6 1 \* \*` has 6 fields; give 5: minute, hour, day"):
        check_cron(project(), "training.schedule", "0 0 6 1 * *")


def test_a_schedule_that_never_fires_is_named(project: Callable[..., Any]) -> None:
    """It is cron to Prefect, and no run ever comes of it: `check` says so, and no look at its gaps fails."""
    made = project(monitoring={"schedule": "0 6 31 2 *"})
    with pytest.raises(ProjectError, match=r"monitoring.schedule: `0 6 31 2 \*` never fires: no year has"):
        check_project(made.path)
    assert (period_of(made, "monitor"), runs_a_year(made, "monitor")) == (None, None)
    check_fires(made, "monitoring.schedule", "0 6 29 2 *")


@pytest.mark.parametrize(
    ("cron", "hours"),
    [("*/10 * * * *", 1 / 6), ("0 6 * * *", 24), ("0 6 * * 1-5", 72), ("0 6 1 * *", 31 * 24)],
)
def test_the_longest_gap_of_a_schedule_is_known(project: Callable[..., Any], cron: str, hours: float) -> None:
    """Over weekends and months, in seconds; a flow without a schedule has none."""
    made = project(monitoring={"schedule": cron})
    assert period_of(made, "monitor") == pytest.approx(hours * 3600)
    assert period_of(made, "train") is None
    assert period_of(made, "rollback") is None


@pytest.mark.parametrize(
    ("cron", "runs"), [("0 * * * *", 8766), ("0 6 * * *", 365), ("0 6 * * 1-5", 261), ("0 6 1 * *", 12)]
)
def test_the_runs_of_a_year_are_counted(project: Callable[..., Any], cron: str, runs: float) -> None:
    """Whatever the schedule; a flow without one has none."""
    made = project(monitoring={"schedule": cron})
    assert runs_a_year(made, "monitor") == pytest.approx(runs, rel=0.01)
    assert runs_a_year(made, "train") is None


def test_an_age_is_looked_at_each_day(project: Callable[..., Any]) -> None:
    """Without a schedule of its own; with one, by that."""
    assert schedules_of(project(retraining={"age": "30d"}))["retraining.schedule"] == "20 5 * * *"
    given = project(retraining={"age": "30d", "schedule": "0 6 1 * *"})
    assert schedules_of(given)["retraining.schedule"] == "0 6 1 * *"
    assert "retraining.schedule" not in schedules_of(project())
