"""The demonstration's project files and where they are written."""

from pathlib import Path

import pytest

from regrow.base.errors import StateError
from regrow.demo.example import NAMES, SHIPPED, open_example


def test_an_empty_folder_gets_every_file_once(tmp_path: Path) -> None:
    """Each file is written, each is reported, and a second time none is."""
    told: list[str] = []
    project = open_example(tmp_path / "configs", told.append)
    assert project.name == "flights"
    assert told == [f"wrote {tmp_path / 'configs' / name}" for name in NAMES]
    assert [(tmp_path / "configs" / name).read_bytes() for name in NAMES] == [
        (SHIPPED / name).read_bytes() for name in NAMES
    ]
    open_example(tmp_path / "configs", told.append)
    assert len(told) == len(NAMES)


def test_a_file_of_the_users_own_is_kept(tmp_path: Path) -> None:
    """What stands beside the project file under one of the names is not written over."""
    (tmp_path / "diabetes.yaml").write_text("mine")
    open_example(tmp_path)
    assert (tmp_path / "diabetes.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("old", "new"), [("name: flights", "name: trains"), ("flights:load", "flights:other")]
)
def test_another_project_under_the_name_is_refused(tmp_path: Path, old: str, new: str) -> None:
    """A `flights.yaml` that is not the demonstration's is named, with the way out."""
    open_example(tmp_path)
    file = tmp_path / "flights.yaml"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(StateError, match=r"flights\.yaml: is not the demonstration's.*REGROW_CONFIGS"):
        open_example(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The error names the folder and the setting that names another."""
    (tmp_path / "configs").write_text("a file")
    with pytest.raises(StateError, match=r"configs: cannot be written .*REGROW_CONFIGS"):
        open_example(tmp_path / "configs")
