"""Mend what MLflow and Prefect keep as absolute addresses of our files, after the store or the state folder has moved.

MLflow keeps an absolute address of the files of each experiment, run and model; Prefect one of each stored result.
MLflow's experiment 0 was made at its first start, so it tells where the store stood when the others were written.
"""

from pathlib import Path
from urllib.parse import unquote, urlparse

from psycopg import Connection, Error, sql

from regrow.base.errors import StateError
from regrow.base.places import SCHEME, Place, read_place
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


def mend_addresses(
    database: Database, home: Path, last_home: str, store: Place | None = None, last_store: str = ""
) -> str | None:
    """Let every address of the files of *home* and of its *store* (None: in *home*) be where they stand now.

    In a database of its own the store says itself where it stood. In one that others may use too, only what stood in
    *last_store* (empty: in *last_home*), where it was used last, is taken for its own. Doing it twice changes nothing.
    Returns where the state folder stood, or else the store; None if neither has moved.
    """
    now, given = ((store or home) / "artifacts").as_uri(), last_store or last_home
    with database.connect("mlflow") as connection, connection.transaction():
        before = _root(connection) if database.pid else _artifacts(given)
        for table, column in OF_ARTIFACTS if before and before != now else ():
            if _has_column(connection, table, column):
                _replace_start(connection, table, column, before, now)
    stood = last_home or _parent_of(before)
    if stood and stood != str(home):
        _move_results(database, stood, home)
        return stood
    return before.removesuffix("/artifacts") if before and before != now else None


def _move_results(database: Database, stood: str, home: Path) -> None:
    """Let Prefect find in *home* the stored results of the state folder that *stood* elsewhere."""
    with database.connect("prefect") as connection, connection.transaction():
        for table, column in OF_RESULTS:
            if _has_column(connection, table, column):
                _replace_path(connection, table, column, f"{stood}/results/", f"{home}/results/")


def forget_places(database: Database) -> None:
    """Let the sources of MLflow's data sets be relative to the state folder: their files are found by their digests."""
    with database.connect("mlflow") as connection:
        if _has_column(connection, "datasets", "dataset_source"):
            connection.execute(
                r"""UPDATE datasets SET dataset_source =
                regexp_replace(dataset_source, '"file://[^"]*/(snapshots/[0-9a-f]{64}\.parquet)"', '"\1"')
                WHERE dataset_source LIKE '%%"file://%%/snapshots/%%'"""
            )


def _artifacts(store: str) -> str:
    """Return the address of the artifacts in *store*; nothing if it is not known."""
    return (read_place(store) / "artifacts").as_uri() if store else ""


def _parent_of(artifacts: str) -> str:
    """Return the folder that *artifacts* are in; nothing if they are in a bucket, or not known."""
    return str(Path(unquote(urlparse(artifacts).path)).parent) if artifacts.startswith("file://") else ""


def _root(connection: Connection) -> str:
    """Return the address of the folder of all artifacts by experiment 0; nothing if that is none of ours."""
    if not _has_column(connection, "experiments", "artifact_location"):
        return ""
    row = connection.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()
    location = "" if row is None else str(row[0])
    return (
        location.removesuffix("/0")
        if location.startswith(("file:///", SCHEME)) and location.endswith("/artifacts/0")
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
