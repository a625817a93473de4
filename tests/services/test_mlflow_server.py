"""MLflow's server in one process, and what it does not hand out."""

from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import pytest
from flask import Flask
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import (
    _artifact_repository_registry,
    get_artifact_repository,
)

from regrow.base.places import ObjectPath
from regrow.services.mlflow_server import check_place, keep_inside
from regrow.services.state.schemas import known_revisions


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Flask]:
    """Keep MLflow in this process inside `artifacts`, and put back what was."""
    made = Flask("mlflow")
    made.post("/ajax-api/2.0/mlflow/experiments/create")(lambda: "made")
    before = dict(_artifact_repository_registry._registry)
    keep_inside(tmp_path / "artifacts", made)
    yield made
    _artifact_repository_registry._registry.update(before)


@pytest.fixture
def run(application: Flask, tmp_path: Path) -> Path:
    """Make the folder of a run, with a file of its own."""
    folder = tmp_path / "artifacts" / "1" / "artifacts"
    (folder / "sub").mkdir(parents=True)
    (folder / "own.txt").write_text("own")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("private")
    return folder


def test_mlflow_still_has_what_its_own_command_uses() -> None:
    """The undocumented parts of MLflow that start its server are there and take what we give them."""
    import mlflow.server
    from mlflow.server import fastapi_app
    from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR
    from mlflow.server.handlers import initialize_backend_stores
    from mlflow.store.db import utils

    assert utils._get_latest_schema_revision() == known_revisions("mlflow")[1]
    assert callable(utils._upgrade_db)
    assert callable(utils._get_schema_version)
    signature(initialize_backend_stores).bind("postgresql://", None, "file:///artifacts")
    assert callable(fastapi_app.app)
    assert isinstance(mlflow.server.app, Flask)
    assert ARTIFACT_ROOT_ENV_VAR != BACKEND_STORE_URI_ENV_VAR


def test_files_of_a_run_are_handed_out(run: Path, tmp_path: Path) -> None:
    """What stands in a run's folder is listed and read, also through a link within it."""
    (run / "again.txt").symlink_to(run / "own.txt")
    files = get_artifact_repository(run.as_uri())
    assert {each.path for each in files.list_artifacts()} == {"own.txt", "again.txt", "sub"}
    for name in ("own.txt", "again.txt"):
        assert Path(str(files.get_local_path(name))).read_text() == "own"
        files._download_file(name, str(tmp_path / "copy"))
        assert (tmp_path / "copy").read_text() == "own"


@pytest.mark.parametrize("place", ["file", "folder", "above"])
def test_a_link_that_leads_out_is_not_followed(run: Path, tmp_path: Path, place: str) -> None:
    """A symbolic link to a file, a folder or a folder above hands out nothing of what it leads to."""
    name = {"file": "link", "folder": "link/key", "above": "sub/link/secret/key"}[place]
    link = run / name.split("/key")[0].removesuffix("/secret")
    link.symlink_to(
        {"file": tmp_path / "secret" / "key", "folder": tmp_path / "secret", "above": tmp_path}[place]
    )
    files = get_artifact_repository(run.as_uri())
    for read in (files.get_local_path, lambda name: files._download_file(name, str(tmp_path / "copy"))):
        with pytest.raises(MlflowException, match="outside the artifact directory"):
            read(name)
    if place != "file":
        with pytest.raises(MlflowException, match="outside the artifact directory"):
            files.list_artifacts(name.rpartition("/")[0])
    assert not (tmp_path / "copy").exists()


def test_a_folder_elsewhere_is_no_place_for_runs(run: Path, tmp_path: Path) -> None:
    """Files of a run that stand outside the store are not opened, also if the run's folder is a link."""
    (tmp_path / "artifacts" / "linked").symlink_to(tmp_path / "secret")
    for folder in (
        tmp_path / "secret",
        tmp_path / "artifacts" / "linked",
        tmp_path / "artifacts" / ".." / "secret",
    ):
        for uri in (folder.as_uri(), str(folder)):
            with pytest.raises(MlflowException, match="files elsewhere are not served"):
                get_artifact_repository(uri)


def test_no_experiment_keeps_its_files_elsewhere(application: Flask, tmp_path: Path) -> None:
    """An experiment whose files would stand outside the store is refused; one without a place, or inside, is not."""
    client, path = application.test_client(), "/ajax-api/2.0/mlflow/experiments/create"
    inside = (tmp_path / "artifacts" / "7").as_uri()
    for location in (None, "", inside):
        assert client.post(path, json={"name": "x", "artifact_location": location}).text == "made"
    for location in ("/etc", "file:///etc", inside + "/../../..", "relative"):
        refused = client.post(path, json={"name": "x", "artifact_location": location})
        assert (refused.status_code, refused.get_json()["error_code"]) == (403, "PERMISSION_DENIED"), location


def test_the_data_of_a_trace_is_no_link(run: Path, tmp_path: Path) -> None:
    """What MLflow keeps of a trace is read from the trace's own folder alone."""
    files = get_artifact_repository(run.as_uri())
    (run / "traces.json").symlink_to(tmp_path / "secret" / "key")
    with pytest.raises(MlflowException, match="leads out of"):
        files.download_trace_data()


@pytest.mark.parametrize(
    "uri",
    [
        "s3://other/store/artifacts/1",
        "s3://bucket/store/artifacts-2/1",
        "s3://bucket/store/artifacts/../x",
        "/etc",
    ],
)
def test_a_place_outside_the_bucket_is_no_place_for_runs(uri: str) -> None:
    """With the store in a bucket nothing of another one, of another prefix or of this machine's disk is opened."""
    root = ObjectPath("bucket", "store/artifacts")
    check_place("s3://bucket/store/artifacts/1/a/artifacts", root)
    with pytest.raises(MlflowException, match="files elsewhere are not served"):
        check_place(uri, root)


def test_a_bucket_is_no_place_for_runs_of_a_folder(run: Path) -> None:
    """With the store in a folder no bucket is opened with this machine's credentials."""
    with pytest.raises(MlflowException, match="files elsewhere are not served"):
        get_artifact_repository("s3://bucket/artifacts/1")
