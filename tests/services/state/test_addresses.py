"""Absolute addresses of a state folder that has moved."""

from pathlib import Path

import pytest

from regrow.base.errors import StateError
from regrow.base.places import ObjectPath
from regrow.services.postgres import Database
from regrow.services.state.addresses import forget_places, mend_addresses


def addresses(database: Database) -> list[str]:
    """Return every address that the databases hold."""
    found = []
    for name, query in (
        ("mlflow", "SELECT artifact_location FROM experiments ORDER BY experiment_id"),
        ("mlflow", "SELECT artifact_uri FROM runs"),
        ("mlflow", "SELECT unnest(ARRAY[source, storage_location]) FROM model_versions"),
        ("prefect", "SELECT data::text FROM task_run_state WHERE data IS NOT NULL"),
    ):
        with database.connect(name) as connection:
            rows = connection.execute(query.encode()).fetchall()
            found += [str(row[0]) for row in rows]
    return found


def test_a_moved_folder_is_named_where_it_stands(used: Database) -> None:
    """Every address of the folder names its new place, that of another folder stays; a second time changes nothing."""
    assert mend_addresses(used, Path("/new place/state"), "") == "/old/state"
    new = "file:///new%20place/state/artifacts"
    assert addresses(used) == [
        f"{new}/0",
        f"{new}/1",
        "file:///old/state-of-others/artifacts/2",
        f"{new}/1/a/artifacts",
        "models:/m-1",
        f"{new}/1/models/m-1/artifacts",
        '{"storage_key": "/new place/state/results/abc"}',
    ]
    assert mend_addresses(used, Path("/new place/state"), "") is None
    assert mend_addresses(used, Path("/old/state"), "") == "/new place/state"


def test_a_shared_database_is_mended_only_for_the_folder_that_moved(used: Database) -> None:
    """In a given database the addresses of another machine's folder are left alone."""
    shared = Database(used.url)
    before = addresses(used)
    assert mend_addresses(shared, Path("/new/state"), "") is None
    assert mend_addresses(shared, Path("/new/state"), "/new/state") is None
    assert addresses(used) == before
    assert mend_addresses(shared, Path("/new/state"), "/old/state") == "/old/state"
    assert "file:///new/state/artifacts/1/a/artifacts" in addresses(used)


def test_a_path_that_mlflow_cannot_keep_is_refused(used: Database) -> None:
    """A place whose address is too long for MLflow is an error before anything is changed."""
    before = addresses(used)
    with pytest.raises(StateError, match="shorter path by REGROW_HOME"):
        mend_addresses(used, Path("/" + "x" * 300), "")
    assert addresses(used) == before


def test_data_sets_are_named_relative_to_the_store(used: Database) -> None:
    """The absolute place of a snapshot becomes one in the store; the place of anything else stays."""
    digest = "a" * 64
    with used.connect("mlflow") as connection:
        connection.execute(
            "INSERT INTO datasets VALUES ('own', %s), ('other', %s)",
            [
                f'{{"uri": "file:///old/state/snapshots/{digest}.parquet"}}',
                '{"uri": "file:///data/rows.parquet"}',
            ],
        )
    forget_places(used)
    forget_places(used)
    with used.connect("mlflow") as connection:
        sources = connection.execute("SELECT dataset_source FROM datasets ORDER BY name DESC").fetchall()
    assert sources == [
        (f'{{"uri": "snapshots/{digest}.parquet"}}',),
        ('{"uri": "file:///data/rows.parquet"}',),
    ]


def test_a_store_moves_into_a_bucket_and_back(used: Database) -> None:
    """Addresses of artifacts follow the store, those of stored results stay with the state folder."""
    home, bucket = Path("/old/state"), ObjectPath("bucket", "team")
    assert mend_addresses(used, home, str(home), bucket) == "file:///old/state"
    found = addresses(used)
    assert "s3://bucket/team/artifacts/1/a/artifacts" in found
    assert '{"storage_key": "/old/state/results/abc"}' in found
    assert mend_addresses(used, home, str(home), bucket, str(bucket)) is None
    assert mend_addresses(used, Path("/new/state"), str(home), bucket, str(bucket)) == "/old/state"
    assert '{"storage_key": "/new/state/results/abc"}' in addresses(used)
    assert mend_addresses(used, home, "/new/state", None, str(bucket)) == "/new/state"
    assert "file:///old/state/artifacts/1/a/artifacts" in addresses(used)
