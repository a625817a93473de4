"""Remove MLflow runs with their files, children first, so that a removal that dies is simply done again."""

from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.entities import FileInfo, Run
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from regrow import registry
from regrow.base.tracking import TIDIED
from regrow.data.tidying import Room


def remove_run(client: MlflowClient, run: Run, dry_run: bool = False) -> Room:
    """Remove *run*, what is nested in it, and their files; the server ends it for good an hour later."""
    with registry.reaching(f"run {run.info.run_id}"):
        children = client.search_runs(
            [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'", max_results=10_000
        )
    room = Room()
    for child in children:
        room += remove_run(client, child, dry_run)
    room += Room(1, remove_files(str(run.info.artifact_uri), dry_run=dry_run).bytes)
    if not dry_run:
        with registry.reaching(f"removal of run {run.info.run_id}"):
            client.set_tag(run.info.run_id, TIDIED, datetime.now(UTC).isoformat())
            client.delete_run(run.info.run_id)
    return room


def remove_files(uri: str, path: str | None = None, dry_run: bool = False) -> Room:
    """Remove the files under *path* (None: all) of the artifacts at *uri*; nothing if there are none."""
    repository = get_artifact_repository(uri)
    found = _files(repository, path)
    if found and not dry_run:
        repository.delete_artifacts(path)
    return Room(len(found), sum(file.file_size or 0 for file in found))


def _files(repository: ArtifactRepository, path: str | None) -> list[FileInfo]:
    """List the files under *path*, a folder or a file, of *repository*."""
    parent = None if path is None else path.rpartition("/")[0] or None
    listed = repository.list_artifacts(path) or []
    if path is not None and not listed:
        return [each for each in repository.list_artifacts(parent) if each.path == path and not each.is_dir]
    files: list[FileInfo] = []
    for each in listed:
        files += _files(repository, each.path) if each.is_dir else [each]
    return files
