"""Find the version that is served."""

from regrow import registry
from regrow.errors import RegistryError
from regrow.lineage import current, step
from regrow.project import Project


@step(retries=2, retry_delay_seconds=[5, 30])
def find_champion(project: Project) -> registry.Version:
    """Give the champion of *project*; raises `RegistryError` where it has none yet."""
    version = registry.champion(project.name)
    if version is None:
        raise RegistryError(
            f"{project.name} has no champion; train it first: regrow train {project.path.name}, "
            "and see the verdict if its challenger was refused"
        )
    current().log_params({"champion": str(version.number)})
    return version
