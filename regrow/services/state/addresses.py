"""Mend what MLflow and Prefect keep as absolute addresses of the state folder's files, after the folder has moved.

MLflow keeps an absolute address of the files of each experiment, run and model; Prefect one of each stored result.
MLflow's experiment 0 was made at its first start, so it tells where the folder stood when the others were written.
"""

from pathlib import Path
from urllib.parse import unquote, urlparse

from psycopg import Connection, Error, sql

from regrow.errors import StateError
from regrow.services.postgres import Database

OF_ARTIFACTS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns of MLflow with addresses of artifacts."""
OF_RESULTS = (("flow_run_state", "data"), ("task_run_state", "data"), ("artifact", "data"))
"""Tables and columns of Prefect, JSON, with paths of stored results."""


def mend_addresses(database: Database, home: Path, last_home: str) -> str | None:
    """Let every address of *home*'s files be where it stands now; return where it stood, or None if it has not moved.

    In a database of its own the folder says itself where it stood. In one that others may use too, only what stood in
    *last_home*, where this folder was used last, is taken for its own. Doing it twice changes nothing.
    """
    with database.connect("mlflow") as connection, connection.transaction():
        before = _root(connection) if database.pid else _artifacts(last_home)
        now = (home / "artifacts").as_uri()
        if not before or before == now:
            return None
        for table, column in OF_ARTIFACTS:
            if _has_column(connection, table, column):
                _replace_start(connection, table, column, before, now)
    stood = str(Path(unquote(urlparse(before).path)).parent)
    with database.connect("prefect") as connection, connection.transaction():
        for table, column in OF_RESULTS:
            if _has_column(connection, table, column):
                _replace_path(connection, table, column, f"{stood}/results/", f"{home}/results/")
    return stood


def forget_places(database: Database) -> None:
    """Let the sources of MLflow's data sets be relative to the state folder: their files are found by their digests."""
    with database.connect("mlflow") as connection:
        if _has_column(connection, "datasets", "dataset_source"):
            connection.execute(
                r"""UPDATE datasets SET dataset_source =
                regexp_replace(dataset_source, '"file://[^"]*/(snapshots/[0-9a-f]{64}\.parquet)"', '"\1"')
                WHERE dataset_source LIKE '%%"file://%%/snapshots/%%'"""
            )


def _artifacts(home: str) -> str:
    """Return the address of the artifacts of the state folder *home*; nothing if it is not known."""
    return (Path(home) / "artifacts").as_uri() if home else ""


def _root(connection: Connection) -> str:
    """Return the address of the folder of all artifacts by experiment 0; nothing if there is none on a disk."""
    if not _has_column(connection, "experiments", "artifact_location"):
        return ""
    row = connection.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()
    location = "" if row is None else str(row[0])
    return (
        location.removesuffix("/0")
        if location.startswith("file:///") and location.endswith("/artifacts/0")
        else ""
    )


def _has_column(connection: Connection, table: str, column: str) -> bool:
    """Return whether *table* has *column*: an older database may lack it until it is migrated."""
    found = "SELECT 1 FROM information_schema.columns WHERE table_name = %s AND column_name = %s"
    return connection.execute(found, [table, column]).fetchone() is not None


def _replace_start(connection: Connection, table: str, column: str, before: str, now: str) -> None:
    """Let the addresses in *column* that begin with the folder *before* begin with *now*."""
    statement = sql.SQL(
        "UPDATE {table} SET {column} = %(now)s || substr({column}, length(%(before)s) + 1) "
        "WHERE starts_with({column}, %(before)s || '/')"
    ).format(table=sql.Identifier(table), column=sql.Identifier(column))
    try:
        connection.execute(statement, {"before": before, "now": now})
    except Error as error:
        raise StateError(
            f"{now}: MLflow cannot keep this address ({error.diag.message_primary}); give a state folder with a "
            "shorter path by REGROW_HOME"
        ) from error


def _replace_path(connection: Connection, table: str, column: str, before: str, now: str) -> None:
    """Let the paths in the JSON of *column* that begin with *before* begin with *now*."""
    statement = sql.SQL(
        "UPDATE {table} SET {column} = replace({column}::text, %(before)s, %(now)s)::json "
        "WHERE position(%(before)s in {column}::text) > 0"
    ).format(table=sql.Identifier(table), column=sql.Identifier(column))
    connection.execute(statement, {"before": before, "now": now})
