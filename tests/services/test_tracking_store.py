"""Indexes of MLflow's database, and the end of runs that were tidied away."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import event, text
from sqlalchemy.engine import Engine

from regrow.base.tracking import TIDIED
from regrow.lineage import find_run
from regrow.services import Services, tracking_store
from regrow.services.tracking_store import add_indexes, end_tidied_runs


@pytest.fixture
def store(tmp_path: Path) -> SqlAlchemyStore:
    """Return an empty store."""
    return SqlAlchemyStore(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "artifacts"))


def add_run(store: SqlAlchemyStore, digest: str, *tags: str) -> str:
    """Add a run that read the dataset *digest*, with a metric and a param; return its id."""
    made = store.create_run("0", "user", 0, [RunTag(tag, "x") for tag in tags], "name").info.run_id
    dataset = Dataset(name=digest, digest=digest, source_type="local", source="{}")
    store.log_inputs(made, [DatasetInput(dataset, [InputTag("mlflow.data.context", "window")])])
    store.log_batch(made, [Metric("m", 1.0, 0, 0)], [Param("p", "1")], [])
    return made


def count(store: SqlAlchemyStore, table: str) -> int:
    with store.engine.connect() as connection:
        return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608


def test_a_run_that_was_tidied_away_ends_with_all_that_it_had(
    store: SqlAlchemyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows go, and a dataset that no other run read; what a person deleted, and what is young, stays."""
    kept = add_run(store, "shared")
    gone, by_hand = add_run(store, "shared", TIDIED), add_run(store, "theirs")
    lonely = add_run(store, "own", TIDIED)
    for run in (gone, by_hand, lonely):
        store.delete_run(run)
    assert end_tidied_runs(store) == 0
    monkeypatch.setattr(tracking_store, "KEPT", tracking_store.KEPT * 0)
    time.sleep(0.002)
    assert [end_tidied_runs(store, 1) for _ in range(3)] == [1, 1, 0]
    left = {run.info.run_id for run in store.search_runs(["0"], "", ViewType.ALL)}
    assert left == {kept, by_hand}
    assert (count(store, "datasets"), count(store, "inputs"), count(store, "input_tags")) == (2, 2, 2)


def test_indexes_are_added_once(store: SqlAlchemyStore) -> None:
    """A second start finds them; each tag that runs are found by is in one."""
    for _ in range(2):
        add_indexes(store)
    wanted: Any = text("SELECT sql FROM sqlite_master WHERE type = 'index' AND name LIKE 'regrow_%'")
    with store.engine.connect() as connection:
        statements = [row[0] for row in connection.execute(wanted)]
    assert len(statements) == len(tracking_store.INDEXES)
    assert any("'regrow.key'" in statement for statement in statements)


MANY = """
INSERT INTO runs (run_uuid, name, status, lifecycle_stage, source_type, user_id, start_time, experiment_id)
SELECT md5(i::text), 'many', 'FINISHED', 'active', 'UNKNOWN', 'user', i, :experiment FROM generate_series(1, 20000) i;
INSERT INTO tags (key, value, run_uuid) SELECT key, key || i, md5(i::text)
FROM generate_series(1, 20000) i, unnest(ARRAY['regrow.key', 'regrow.step', 'mlflow.user', 'regrow.seed']) key
"""


@pytest.fixture
def many(services: Services) -> Iterator[tuple[str, str]]:
    """Fill a database of its own, on PostgreSQL, with 20,000 runs; its address, and the experiment."""
    name = f"many_{uuid4().hex[:8]}"
    with services.database.connect() as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    address = services.database.address("psycopg", name)
    store = SqlAlchemyStore(address, "file:///artifacts")
    add_indexes(store)
    experiment = store.create_experiment("many")
    with store.engine.begin() as connection:
        for statement in MANY.split(";"):
            connection.execute(
                text(statement), {"experiment": int(experiment)} if ":exp" in statement else {}
            )
    with services.database.connect(name) as connection:
        connection.execute("ANALYZE")
    yield address, experiment
    store.engine.dispose()
    with services.database.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_run_is_found_by_an_index_however_many_there_are(many: tuple[str, str], services: Services) -> None:
    """PostgreSQL finds a run by its key in our index, and reads neither all runs nor all tags for it."""
    address, experiment = many
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _r: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("SELECT") and (" runs" in statement or " tags" in statement):
            asked.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        found = find_run(MlflowClient(address, address), experiment, "regrow.key777")
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert found is not None
    assert found.info.start_time == 777
    with services.database.connect(address.rpartition("/")[2].partition("?")[0]) as connection:
        plans = [
            "\n".join(row[0] for row in connection.execute(f"EXPLAIN {statement}".encode(), parameters))
            for statement, parameters in asked
        ]
    assert any("regrow_tags_by_value" in plan for plan in plans), plans
    assert not [plan for plan in plans if "Seq Scan on runs" in plan or "Seq Scan on tags" in plan]
