"""The schedules of a project file, and whether each is one."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import cast

from regrow.base.errors import ProjectError
from regrow.project.file import Project, ProjectFile

SCHEDULED = {
    "train": "training.schedule",
    "score": "scoring.schedule",
    "monitor": "monitoring.schedule",
    "retrain": "retraining.schedule",
    "rollout": "deployment.rollout_schedule",
}
"""The key in the project file of each flow's schedule."""
FIELDS = 5
"""Fields of cron: minute, hour, day, month, day of the week."""
LOOKED_AT = 12
"""Times of a schedule that are looked at for the longest gap: the months of a year."""
COUNTED = 60
"""Runs from which it is told how many a year has: as many as a monthly schedule has in five years."""
YEAR = 365.25 * 86_400
"""Seconds."""
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


def schedules_of(project: ProjectFile) -> dict[str, str]:
    """Return the schedules that *project* has, by their key in its file."""
    schedules = {
        "training.schedule": project.training.schedule,
        "scoring.schedule": project.scoring.schedule,
        "monitoring.schedule": project.monitoring.schedule,
        "retraining.schedule": project.retraining.scheduled,
        "deployment.rollout_schedule": project.deployment.rollout_schedule,
    }
    return {key: cron for key, cron in schedules.items() if cron}


def check_cron(project: Project, key: str, cron: str) -> None:
    """Raise `ProjectError` if *cron*, which stands under *key*, is not what Prefect runs by.

    Neither may it have seconds, for programs put them first, Prefect last.
    """
    from prefect.client.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    try:
        CronSchedule(cron=cron, timezone="UTC")
    except ValidationError as error:
        raise ProjectError(
            f"{project.path}: {key}: `{cron}` is not cron; `0 6 * * 1` is Monday 06:00"
        ) from error
    if (fields := len(cron.split())) > FIELDS:
        raise ProjectError(
            f"{project.path}: {key}: `{cron}` has {fields} fields; give {FIELDS}: minute, hour, day, month, day of the "
            "week; `0 6 * * 1` is Monday 06:00"
        )


def check_fires(project: Project, key: str, cron: str) -> None:
    """Raise `ProjectError` if *cron*, which stands under *key*, names days that no year has."""
    if not _moments(cron, 1):
        raise ProjectError(
            f"{project.path}: {key}: `{cron}` never fires: no year has such a day; correct it, or leave it out to run "
            "by hand only"
        )


def period_of(project: ProjectFile, flow: str) -> float | None:
    """Return the longest time between two scheduled runs of *flow* in seconds; None if it has no schedule.

    Read by Prefect's own reader of cron, which is not its documented interface; a test notices if it changes.
    """
    fires = _fires(project, flow, LOOKED_AT + 1)
    return max(after - before for before, after in pairwise(fires)) if fires else None


def runs_a_year(project: ProjectFile, flow: str) -> float | None:
    """Return how many runs of *flow* its schedule asks for in a year; None if it has no schedule."""
    fires = _fires(project, flow, COUNTED + 1)
    return YEAR * (len(fires) - 1) / (fires[-1] - fires[0]) if fires else None


def _fires(project: ProjectFile, flow: str, count: int) -> list[float]:
    """Return the first *count* moments from `EPOCH` on, in seconds since 1970, at which the schedule of *flow* fires.

    None if it has no schedule.
    """
    cron = schedules_of(project).get(SCHEDULED.get(flow, ""))
    return [] if cron is None else _moments(cron, count)


def _moments(cron: str, count: int) -> list[float]:
    """Return the first *count* moments from `EPOCH` on at which *cron* fires; none of one that never does."""
    from prefect._vendor.croniter import croniter
    from prefect._vendor.croniter.croniter import CroniterBadDateError

    times = croniter(cron, EPOCH)
    try:
        return [cast("float", times.get_next(float)) for _ in range(count)]
    except CroniterBadDateError:
        return []
