"""MLflow's tracking server in one process, behind our guard: `python -m regrow.services.mlflow_server`.

`mlflow server` imports MLflow, prepares the database, then starts a process that imports it all again: that doubles
the start. What is used of MLflow here is not its documented interface; a test notices if it changes.
"""

import argparse
import logging
import os
from pathlib import Path

import uvicorn
from flask import Flask, Response, jsonify, request
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR
from mlflow.server.handlers import _get_tracking_store, initialize_backend_stores
from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
from mlflow.store.db.utils import (
    _get_latest_schema_revision,
    _get_schema_version,
    _upgrade_db,
    create_sqlalchemy_engine_with_retry,
)
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracing.utils.artifact_utils import TRACE_DATA_FILE_NAME
from mlflow.utils.file_utils import local_file_uri_to_path

from regrow.base.errors import StateError
from regrow.base.places import SCHEME, Place, is_below, read_place
from regrow.base.settings import load_settings
from regrow.data.stores import make_store
from regrow.services.guard import Guard, own_origins
from regrow.services.ownership import secret
from regrow.services.registry_route import add_route
from regrow.services.tracking_store import add_indexes, keep_ending

CREATE = "/mlflow/experiments/create"


def main() -> None:
    """Prepare the database that MLFLOW_BACKEND_STORE_URI names, then serve it to those who sign in."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--artifacts", required=True, help="URI of the folder of all runs' files")
    given = parser.parse_args()
    settings, database = load_settings(), os.environ["MLFLOW_BACKEND_STORE_URI"]
    # MLflow's web application reads these when it is imported.
    os.environ |= {BACKEND_STORE_URI_ENV_VAR: database, ARTIFACT_ROOT_ENV_VAR: given.artifacts}
    upgrade(database)
    initialize_backend_stores(database, None, given.artifacts)
    from mlflow.server import app as flask_app
    from mlflow.server.fastapi_app import app

    artifacts = place_of(given.artifacts)
    keep_inside(artifacts, flask_app)
    add_route(flask_app)
    note_artifacts(artifacts)
    store = _get_tracking_store()
    if isinstance(store, SqlAlchemyStore):
        add_indexes(store)
        keep_ending(store)
    origins = own_origins(given.port, settings.mlflow_public_url)
    guarded = Guard(app, origins, secret(settings.password_file), "MLflow of Regrow")
    uvicorn.run(guarded, host=given.host, port=given.port, log_level="info")


def place_of(uri: str) -> Place:
    """Return the place that *uri*, as MLflow keeps it, names; raises `ValueError` if it is none of a store."""
    return read_place(uri) if uri.startswith(SCHEME) else Path(local_file_uri_to_path(uri))


def note_artifacts(root: Place) -> None:
    """Write down that *root*, the folder of all runs' files, is there; if it is away, the registry is served anyway."""
    try:
        make_store(root)
    except StateError as error:
        logging.getLogger("regrow.services").warning("%s", error)


def keep_inside(root: Place, application: Flask) -> None:
    """Let MLflow in this process read and list no file outside *root*, and take no experiment that keeps some there."""

    class InBucket(S3ArtifactRepository):
        """Files of a run in a bucket."""

        def __init__(self, artifact_uri: str, *rest: str | None, **more: str | None) -> None:
            check_place(artifact_uri, root)
            super().__init__(artifact_uri, *rest, **more)

    class Inside(LocalArtifactRepository):
        """Files of a run. MLflow lets no link lead out of their folder; here the folder itself leads nowhere else."""

        def __init__(self, artifact_uri: str, *rest: str | None, **more: str | None) -> None:
            super().__init__(artifact_uri, *rest, **more)
            check_place(self.artifact_dir, root)

        def download_trace_data(self) -> dict[str, object]:
            """Read the data of a trace, after checking where the file leads."""
            check_inside(Path(self.artifact_dir, TRACE_DATA_FILE_NAME), Path(self.artifact_dir))
            return super().download_trace_data()

    for scheme in ("", "file"):
        _artifact_repository_registry.register(scheme, Inside)
    _artifact_repository_registry.register("s3", InBucket)

    @application.before_request
    def check_location() -> tuple[Response, int] | None:
        """Refuse an experiment whose files would not stand in the folder of all runs' files."""
        if not request.path.endswith(CREATE):
            return None
        content = request.get_json(force=True, silent=True)
        location = content.get("artifact_location") if isinstance(content, dict) else None
        try:
            if location:
                check_place(str(location), root)
        except MlflowException as error:
            return jsonify({"error_code": error.error_code, "message": error.message}), 403
        return None


def check_place(uri: str, root: Place) -> None:
    """Raise `MlflowException` if *uri* is no place in *root*, be that a folder or in a bucket."""
    try:
        place = place_of(uri)
    except ValueError:
        place = None
    if isinstance(place, Path) and isinstance(root, Path):
        check_inside(place, root)
    elif place is None or not is_below(place, root):
        raise MlflowException(
            f"{uri} is not in {root}: files elsewhere are not served", error_code=PERMISSION_DENIED
        )


def check_inside(path: Path, root: Path) -> None:
    """Raise `MlflowException` if *path*, once its symbolic links are followed, is not in *root*."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise MlflowException(
            f"{path} leads out of {root}: files elsewhere are not served", error_code=PERMISSION_DENIED
        )


def upgrade(database: str) -> None:
    """Bring MLflow's tables in *database*, of an earlier MLflow, to the installed one; `regrow up` has dumped them."""
    engine = create_sqlalchemy_engine_with_retry(database)
    try:
        if _get_schema_version(engine) not in {None, _get_latest_schema_revision()}:
            _upgrade_db(engine)
    finally:
        engine.dispose()


if __name__ == "__main__":
    main()
