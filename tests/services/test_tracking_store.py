"""Indexes of MLflow's database, and the end of runs that were tidied away, on a store in a file."""

import time
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import text

from regrow.base.tracking import TIDIED
from regrow.services import tracking_store
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
