"""The project files that are deployed, and what is said of the others."""

from collections.abc import Callable
from pathlib import Path

from regrow.project import Project
from regrow.services.projects import find_projects


def test_a_folder_without_projects_is_named_with_what_to_do(tmp_path: Path) -> None:
    """Where nothing is found, the one line names the folder, the variable, and what to do."""
    for folder in (tmp_path, tmp_path / "absent"):
        told = find_projects(folder).describe([])
        assert f"no model is deployed: {folder} holds no project file" in told
        assert "REGROW_CONFIGS" in told


def test_a_relative_folder_is_named_in_full() -> None:
    """The folder stands in full in the line: `configs` alone would not tell which one it is."""
    assert str(Path.cwd() / "nowhere") in find_projects(Path("nowhere")).describe([])


def test_a_broken_file_does_not_hide_the_others(project: Callable[..., Project]) -> None:
    """What is wrong with a file is a problem that names it; the other projects are deployed."""
    good = project()
    folder = good.path.parent
    (folder / "broken.yaml").write_text("name: broken")
    (folder / "other.yml").write_text(good.path.read_text())
    (folder / "twin.yaml").write_text(good.path.read_text())
    found = find_projects(folder)
    assert [each.name for each in found.projects] == [good.name]
    assert found.describe([good.name]) == f"deployed from {folder}: {good.name}"
    problems = "\n".join(found.problems)
    assert f"{folder / 'broken.yaml'}: data: is missing" in problems
    assert f"{folder / 'other.yml'}: project files end in .yaml" in problems
    assert f"{folder / 'twin.yaml'}: name: {good.name} is the name of {good.path} too" in problems
