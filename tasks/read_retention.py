"""Read how long each model keeps what it leaves behind."""

from prefect import get_run_logger, task

from regrow import registry
from regrow.base.settings import load_settings
from regrow.lineage import failed_by_outage
from regrow.lineage.needed import models_of
from regrow.project import Retention
from regrow.services.projects import Found, find_projects


def rules_of(found: Found, registered: list[str]) -> dict[str, Retention]:
    """Return the rules of every model that has a project file or is *registered*, by name.

    A registered model without a file has the defaults, unless a file cannot be read: it might be that model's.
    """
    of_files = {project.name: project.retention for project in found.projects}
    others = [] if found.problems else registered
    return {name: Retention() for name in others} | of_files


@task(retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=failed_by_outage)
def read_retention() -> dict[str, Retention]:
    """Return the rules of every model, by name."""
    found, registered = find_projects(load_settings().configs), models_of(registry.connect())
    if found.problems:
        get_run_logger().warning(
            "models without a project file are left as they are, as a file is broken: %s",
            "; ".join(found.problems),
        )
    return rules_of(found, registered)
