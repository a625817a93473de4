"""The project files that are deployed: those of one folder, without the broken ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regrow.base.errors import ProjectError
from regrow.project import Project, load_project


@dataclass(frozen=True)
class Found:
    """The projects of *folder*, and what is wrong with its other files."""

    folder: Path
    projects: tuple[Project, ...]
    problems: tuple[str, ...]

    def describe(self, registered: Sequence[str]) -> str:
        """Return one line on the models that the runner has *registered*; if there is none, on what to do."""
        if registered:
            return f"deployed from {self.folder}: {', '.join(registered)}"
        return (
            f"no model is deployed: {self.folder} holds no project file (*.yaml) that can be used; write one and see "
            "`regrow check FILE`, or name another folder by REGROW_CONFIGS; then start `regrow up` again. "
            "`regrow demo` writes an example there"
        )


def find_projects(folder: Path) -> Found:
    """Read every project file in *folder*; of two that name the same model the second is a problem."""
    folder = folder.absolute()
    projects: dict[str, Project] = {}
    problems = [f"{path}: project files end in .yaml; rename it" for path in sorted(folder.glob("*.yml"))]
    for path in sorted(folder.glob("*.yaml")):
        try:
            project = load_project(path)
        except ProjectError as error:
            problems.append(str(error))
            continue
        if project.name in projects:
            problems.append(
                f"{path}: name: {project.name} is the name of {projects[project.name].path} too; rename one"
            )
        else:
            projects[project.name] = project
    return Found(folder, tuple(projects.values()), tuple(problems))
