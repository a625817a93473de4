"""The schedules of a project file, and whether each is one."""

from regrow.errors import ProjectError
from regrow.project.file import Project, ProjectFile


def schedules_of(project: ProjectFile) -> dict[str, str]:
    """Return the schedules that *project* has, by their key in its file."""
    schedules = {
        "training.schedule": project.training.schedule,
        "scoring.schedule": project.scoring.schedule,
        "monitoring.schedule": project.monitoring.schedule,
        "retraining.schedule": project.retraining.schedule,
        "deployment.rollout_schedule": project.deployment.rollout_schedule,
    }
    return {key: cron for key, cron in schedules.items() if cron}


def check_cron(project: Project, key: str, cron: str) -> None:
    """Raise `ProjectError` if *cron*, which stands under *key*, is not what Prefect runs by."""
    from prefect.client.schemas.schedules import CronSchedule
    from pydantic import ValidationError

    try:
        CronSchedule(cron=cron, timezone="UTC")
    except ValidationError as error:
        raise ProjectError(
            f"{project.path}: {key}: `{cron}` is not cron; `0 6 * * 1` is Monday 06:00"
        ) from error
