"""The project file: what it accepts, and what it says of what it does not."""

from pathlib import Path

import pytest
import yaml

from regrow.errors import ProjectError
from regrow.project import format_duration, json_schema, load_project, parse_duration
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


def test_bad_duration_says_what_one_is(tmp_path: Path):
    """A duration without a unit is refused with examples of good ones."""
    training = CONTENT["training"] | {"window": "90 days"}
    with pytest.raises(ProjectError, match="a duration is a number and a unit"):
        load_project(write(tmp_path, training=training))


def test_wrong_import_path_hints_at_the_right_one():
    """An estimator in the wrong case is refused with the right name."""
    with pytest.raises(ProjectError, match=r"did you mean sklearn\.linear_model\.Ridge\?"):
        import_class("sklearn.linear_model.ridge", "training.estimator")


def test_missing_hook_is_named(tmp_path: Path):
    """A hook whose module is not beside the file is an error that names the file looked for."""
    project = load_project(write(tmp_path))
    with pytest.raises(ProjectError, match=r"no file .*nowhere\.py"):
        project.resolve("nowhere:load")


def test_a_canary_begins_in_shadow_where_asked(tmp_path: Path):
    """Its stages are the shadow, with a weight of nothing, then one for each weight."""
    plan = {"kind": "canary", "shadow_rows": 700, "weights": [0.1, 0.5], "least_rows": 300}
    rollout = load_project(write(tmp_path, deployment={"rollout": plan})).deployment.rollout
    assert [(stage.weight, stage.least_rows) for stage in rollout.stages] == [
        (0, 700),
        (0.1, 300),
        (0.5, 300),
    ]


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"kind": "canary", "weights": [0.5, 0.1]}, "deployment.rollout.canary: weights must grow"),
        ({"kind": "ab", "least_rows": 10, "greatest_rows": 5}, "greatest_rows is below least_rows"),
        ({"kind": "blue-green"}, "deployment.rollout"),
    ],
)
def test_a_rollout_that_cannot_be_is_named(tmp_path: Path, plan: dict, said: str):
    """A plan whose stages contradict each other is an error with its key."""
    with pytest.raises(ProjectError, match=said):
        load_project(write(tmp_path, deployment={"rollout": plan}))


@pytest.mark.parametrize("text", ["45s", "90d", "2w", "1234567s", "0.5s", "36h"])
def test_a_duration_reads_back(text: str):
    """What is written of a duration is what was read, however long it is."""
    assert parse_duration(format_duration(parse_duration(text))) == parse_duration(text)


def test_features_that_differ_in_capitals_alone_are_refused(tmp_path: Path):
    """Names that no prediction log tells apart are an error of the project file."""
    data = CONTENT["data"] | {"features": ["Size", "other", "size"]}
    with pytest.raises(ProjectError, match="features holds `Size` and `size`"):
        load_project(write(tmp_path, data=data))
