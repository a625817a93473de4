"""The project file: what it accepts, and what it says of what it does not."""

from pathlib import Path

import pytest
import yaml

from regrow.base.errors import ProjectError
from regrow.project import json_schema, load_project
from regrow.project.imports import import_class

ROOT = Path(__file__).parents[2]
CONTENT = {
    "name": "tiny",
    "data": {"source": {"kind": "csv", "path": "rows.csv"}, "target": "y"},
    "training": {"estimator": "sklearn.linear_model.Ridge"},
    "evaluation": {"primary": "rmse"},
}


def write(folder: Path, **changes: object) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(CONTENT | changes), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["flights", "diabetes"])
def test_shipped_files_load(name: str):
    """Each project file that ships is valid and bears its file's name."""
    assert load_project(ROOT / "configs" / f"{name}.yaml").name == name


def test_schema_is_current():
    """The committed JSON schema is the one that the types give."""
    assert (ROOT / "configs" / "schema.json").read_text(encoding="utf-8") == json_schema()


def test_unknown_key_is_named(tmp_path: Path):
    """An unknown key is an error that names file and key."""
    with pytest.raises(ProjectError, match=r"tiny\.yaml: trainig: unknown key"):
        load_project(write(tmp_path, trainig={}))


def test_missing_key_is_named(tmp_path: Path):
    """A missing key is an error that names it."""
    with pytest.raises(ProjectError, match=r"evaluation\.primary: is missing"):
        load_project(write(tmp_path, evaluation={}))


def test_wrong_import_path_hints_at_the_right_one():
    """An estimator in the wrong case is refused with the right name."""
    with pytest.raises(ProjectError, match=r"did you mean sklearn\.linear_model\.Ridge\?"):
        import_class("sklearn.linear_model.ridge", "training.estimator")


def test_missing_hook_is_named(tmp_path: Path):
    """A hook whose module is not beside the file is an error that names the file looked for."""
    project = load_project(write(tmp_path))
    with pytest.raises(ProjectError, match=r"no file .*nowhere\.py"):
        project.resolve("nowhere:load")
