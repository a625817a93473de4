"""Which project files were deployed: a run of a deployment takes no other.

A project file and its hook are code. Who may start a run of a deployment names a file by its parameter `config`, and
must not choose by that what code runs. A command that runs a flow takes any file: it runs as the user who typed it.
"""

from collections.abc import Iterable
from pathlib import Path

from prefect.context import FlowRunContext

from regrow.base.errors import ProjectError
from regrow.base.settings import load_settings
from regrow.data.files import write_whole
from regrow.project import Project, load_project


def remember_deployed(projects: Iterable[Project]) -> None:
    """Write down that *projects*, and no others, are deployed from now on; raises `StateError` if it cannot be."""
    lines = "".join(f"{project.path}\n" for project in projects)
    write_whole(_list(), lines.encode())


def open_project(config: Path) -> Project:
    """Load the project file *config* for the flow that is running.

    Raises `ProjectError` if the file is wrong, or if it is not deployed and the run is one of a deployment.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is not None and run.deployment_id is not None and not is_deployed(config):
        raise ProjectError(
            f"{config}: not deployed, so no run of a deployment takes it; put it into the folder that REGROW_CONFIGS "
            "names and start `regrow up` again, or run the flow by its command, such as `regrow train FILE`"
        )
    return load_project(config)


def is_deployed(config: Path) -> bool:
    """Return whether the runner on this state folder has registered *config*."""
    file = _list()
    return file.is_file() and str(config.absolute()) in file.read_text(encoding="utf-8").splitlines()


def _list() -> Path:
    """Return the file that holds the paths of the deployed project files, one a line."""
    return load_settings().home.absolute() / "deployed"
