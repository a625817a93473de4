"""What our MLflow server does to its database: indexes that MLflow lacks, and the end of runs that were tidied away.

Without an index a run is found by its key in a time that grows with the number of all runs, and so every step of
every flow. MLflow's own way to end a deleted run for good is a command that needs the database; this server has it.
"""

import logging
import threading
from datetime import UTC, datetime, timedelta

from mlflow.entities import LifecycleStage
from mlflow.store.tracking.dbmodels.models import SqlDataset, SqlInput, SqlInputTag, SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Connection, delete, exists, select, text
from sqlalchemy.exc import SQLAlchemyError

from regrow.base.tracking import TIDIED

FOUND_BY = (
    "regrow.key", "regrow.flow", "regrow.step", "regrow.verdict.decision", "regrow.report", "prefect.flow_run_id",
    "mlflow.parentRunId", TIDIED,
)  # fmt: skip
"""Tags by whose value runs are looked for; each is far shorter than what a database takes into an index."""
INDEXES = (
    "CREATE INDEX IF NOT EXISTS regrow_tags_by_value ON tags (key, value) "
    f"WHERE key IN ({', '.join(repr(name) for name in FOUND_BY)})",
    "CREATE INDEX IF NOT EXISTS regrow_runs_by_status ON runs (experiment_id, status)",
    "CREATE INDEX IF NOT EXISTS regrow_runs_by_start ON runs (experiment_id, start_time)",
)
KEPT = timedelta(hours=1)
"""How long a run that was tidied away stays: whoever has its page open is not surprised."""
BATCH = 500
EVERY = 600.0
LOG = logging.getLogger("regrow.services")


def add_indexes(store: SqlAlchemyStore) -> None:
    """Add the indexes by which runs are found, unless they are there; MLflow's own migrations leave them alone."""
    with store.engine.begin() as connection:
        for statement in INDEXES:
            connection.execute(text(statement))


def end_tidied_runs(store: SqlAlchemyStore, most: int = BATCH) -> int:
    """End for good at most *most* runs that were tidied away over an hour ago; return their number.

    A run that a person has deleted in MLflow is left for `mlflow gc`.
    """
    before = int((datetime.now(UTC) - KEPT).timestamp() * 1000)
    tidied = exists().where(SqlTag.run_uuid == SqlRun.run_uuid, SqlTag.key == TIDIED)
    wanted = select(SqlRun.run_uuid).where(
        SqlRun.lifecycle_stage == LifecycleStage.DELETED, SqlRun.deleted_time <= before, tidied
    )
    with store.engine.connect() as connection:
        ended = [run for (run,) in connection.execute(wanted.limit(most))]
    for run in ended:
        with store.engine.begin() as connection:
            _forget_inputs(connection, run)
        store._hard_delete_run(run)  # What `mlflow gc` calls; a test on a real store notices if it changes.
    return len(ended)


def _forget_inputs(connection: Connection, run: str) -> None:
    """Delete what links *run* to datasets, which MLflow leaves behind, and those datasets that no other run has."""
    mine = (SqlInput.destination_type == "RUN", SqlInput.destination_id == run)
    links = connection.execute(select(SqlInput.input_uuid, SqlInput.source_id).where(*mine)).all()
    connection.execute(delete(SqlInputTag).where(SqlInputTag.input_uuid.in_([link for link, _ in links])))
    connection.execute(delete(SqlInput).where(*mine))
    unused = ~exists().where(SqlInput.source_id == SqlDataset.dataset_uuid)
    connection.execute(
        delete(SqlDataset).where(SqlDataset.dataset_uuid.in_([data for _, data in links]), unused)
    )


def keep_ending(store: SqlAlchemyStore) -> None:
    """End tidied runs now and then, in a thread that ends with this process."""
    threading.Thread(target=_keep_ending, args=(store,), name="end-tidied-runs", daemon=True).start()


def _keep_ending(store: SqlAlchemyStore) -> None:
    pause = threading.Event()
    while not pause.wait(EVERY):
        try:
            while end_tidied_runs(store) == BATCH:
                pause.wait(1.0)
        except SQLAlchemyError as error:  # The database may be away; the next round finds the same runs.
            LOG.warning("runs that were tidied away could not be ended: %s", error)
