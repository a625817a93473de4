"""A run of a deployment takes only files that were deployed."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest

from regrow.base.errors import ProjectError
from regrow.lineage import deployed
from regrow.lineage.deployed import open_project, remember_deployed
from regrow.project import Project


@pytest.fixture
def run_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[object], None]:
    """Let the flow run that is running be one of a deployment, or of none."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))

    def become(deployment: object) -> None:
        context = SimpleNamespace(flow_run=SimpleNamespace(deployment_id=deployment))
        monkeypatch.setattr(deployed, "FlowRunContext", SimpleNamespace(get=lambda: context))

    return become


def test_a_file_of_a_stranger_is_not_even_read(
    project: Callable[..., Project], run_of: Callable[[object], None], tmp_path: Path
) -> None:
    """Whoever may start a run of a deployment cannot choose by `config` what code runs."""
    made = project()
    run_of(uuid4())
    for config in (made.path, tmp_path / "absent.yaml"):
        with pytest.raises(ProjectError, match=r"not deployed.*REGROW_CONFIGS"):
            open_project(config)
    remember_deployed([made])
    assert open_project(made.path).name == made.name
    other = made.path.with_name("other.yaml")
    other.write_text(made.path.read_text())
    with pytest.raises(ProjectError, match="not deployed"):
        open_project(other)
    with pytest.raises(ProjectError, match="not deployed"):
        open_project(made.path.parent / "x" / ".." / other.name)


def test_a_command_takes_any_file(project: Callable[..., Project], run_of: Callable[[object], None]) -> None:
    """A flow that no deployment started runs as the user who started it, and takes each file."""
    made = project()
    assert open_project(made.path).name == made.name
    run_of(None)
    assert open_project(made.path).name == made.name
