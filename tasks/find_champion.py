"""Find the version that serves at the moment of the run."""

from datetime import datetime

from regrow import registry
from regrow.base.errors import RegistryError
from regrow.lineage import current, step
from regrow.project import Project
from regrow.registry import CHAMPION, Version


def why_none(project: Project, as_of: datetime, alias: str) -> str:
    """Return why no version of *project* bore *alias* at *as_of*, and what to do."""
    if alias != CHAMPION:
        return f"{project.name}: no version bears the alias `{alias}`; name another alias, or leave it out"
    began = min((move.as_of for move in registry.ledger(project.name)), default=None)
    if began is None or began <= as_of:
        return (
            f"{project.name} has no champion; train it first: regrow train {project.path.name}, "
            "and see the verdict if its challenger was refused"
        )
    return (
        f"{project.name} had no champion as of {as_of:%Y-%m-%d %H:%M} UTC: its first one serves as of "
        f"{began:%Y-%m-%d %H:%M} UTC; give a later as_of"
    )


def version_at(project: Project, as_of: datetime, alias: str) -> Version:
    """Return the version that bears *alias*: the champion is that of *as_of*.

    Raises `RegistryError` if there is none.
    """
    name = project.name
    version = registry.champion_at(name, as_of) if alias == CHAMPION else registry.by_alias(name, alias)
    if version is None:
        raise RegistryError(why_none(project, as_of, alias))
    return version


@step(retries=2, retry_delay_seconds=[5, 30])
def find_champion(project: Project, as_of: datetime, alias: str = CHAMPION) -> Version:
    """Return the champion of *project* at *as_of*, or the version that bears another *alias*."""
    version = version_at(project, as_of, alias)
    current().log_params({"champion": str(version.number)})
    return version
