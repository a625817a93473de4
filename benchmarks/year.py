"""Simulate a year in which 20 models are watched hourly: what is left behind, and whether a run slows down by it.

Usage: python benchmarks/year.py [share]
(default 0.25 of what the default retention keeps: MLflow's runs for 90 days, Prefect's for 30)

A real PostgreSQL, Prefect and MLflow server, one model, real monitoring runs. What the other hours and models would
have left is copied in SQL from the real runs, row by row, with names and times of its own.
"""

# ruff: noqa: S608 - the SQL is made of this file's own words alone.
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from sqlalchemy import Connection, Engine, create_engine, text

from regrow.base.settings import Settings
from regrow.services import Services, running

MODELS, HOURS = 20, 24
RUNS_DAYS, PREFECT_DAYS = 90, 30
"""For how long the default retention keeps monitoring runs without an alarm, in MLflow and in Prefect."""
MEASURED, WARM_UP = 12, 2
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
MLFLOW = {
    "runs": ("run_uuid", ["start_time", "end_time"]),
    "tags": ("run_uuid", []),
    "params": ("run_uuid", []),
    "metrics": ("run_uuid", ["timestamp"]),
    "latest_metrics": ("run_uuid", ["timestamp"]),
}
"""The tables of a run: the column that names it, and its times."""
NAMING = "('regrow.key', 'prefect.flow_run_id', 'mlflow.parentRunId')"
"""The tags whose values name a run."""
PREFECT = {
    "flow_run": ("id", ["id", "state_id", "parent_task_run_id"]),
    "flow_run_state": ("flow_run_id", ["id", "flow_run_id", "result_artifact_id"]),
    "task_run": ("flow_run_id", ["id", "flow_run_id", "state_id"]),
    "task_run_state": ("", ["id", "task_run_id", "result_artifact_id"]),
    "log": ("flow_run_id", ["id", "flow_run_id", "task_run_id"]),
    "artifact": ("flow_run_id", ["id", "flow_run_id", "task_run_id"]),
}
"""The tables of a flow run: the column that names it, and the columns that name rows."""


def write_project(folder: Path) -> Path:
    """Write a table of 90 days up to now and its project file; return the latter."""
    random, count = np.random.default_rng(0), 9000
    at = pd.date_range(end=NOW, periods=count, freq="864s", tz="UTC")
    size = random.normal(size=count)
    frame = pd.DataFrame(
        {
            "id": range(count),
            "at": at,
            "size": size,
            "colour": random.choice(["red", "green", "blue"], count),
            "late": (size + random.normal(size=count) > 0.3).astype(int),
        }
    )
    frame.to_parquet(folder / "rows.parquet")
    content = {
        "name": "watched",
        "data": {
            "source": {"kind": "parquet", "path": "rows.parquet"},
            "target": "late",
            "timestamp": "at",
            "id": "id",
            "label_delay": "1d",
        },
        "training": {"estimator": "sklearn.linear_model.LogisticRegression"},
        "evaluation": {"primary": "roc_auc", "gates": []},
        "monitoring": {"window": "14d"},
        "deployment": {"server": False, "rollout": {"kind": "replace"}},
    }
    path = folder / "watched.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def watch(path: Path, first_hour: int) -> list[float]:
    """Run `monitor` once for each of some hours; return the seconds that each took."""
    from flows.monitor import monitor

    took = []
    for hour in range(WARM_UP + MEASURED):
        started = time.perf_counter()
        monitor(path, NOW - timedelta(hours=first_hour - hour))
        took.append(time.perf_counter() - started)
    return took[WARM_UP:]


def look(path: Path) -> float:
    """Return the seconds that a look takes while no rollout is open."""
    from flows.rollout import rollout

    started = time.perf_counter()
    rollout(path)
    return time.perf_counter() - started


def sizes(home: Path, engines: dict[str, Engine]) -> dict[str, float]:
    """Return the bytes of the databases and of all other state, and MLflow's and Prefect's runs."""
    found = {}
    for name, engine in engines.items():
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
            found[name] = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
            table = "runs" if name == "mlflow" else "flow_run"
            found[f"{name} runs"] = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
    found["files"] = 0
    for path in home.rglob("*"):
        if "postgres" not in path.parts:
            with suppress(FileNotFoundError):
                found["files"] += path.stat().st_size if path.is_file() else 0
    return found


def columns_of(connection: Connection, table: str) -> list[str]:
    """List the columns of *table* that can be written."""
    asked = text(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = :table "
        "AND is_generated = 'NEVER'"
    )
    return list(connection.execute(asked, {"table": table}).scalars())


def copy_runs(engine: Engine, count: int) -> None:
    """Copy all of MLflow's runs of the monitoring *count* times, spread over `RUNS_DAYS` and over the models."""
    with engine.begin() as connection:
        choose(
            connection,
            (
                "SELECT run_uuid, value AS flow_run FROM tags WHERE key = 'prefect.flow_run_id' "
                "AND value IN (SELECT of_run.value FROM tags AS of_run "
                "JOIN tags AS of_flow USING (run_uuid) WHERE of_run.key = 'prefect.flow_run_id' "
                "AND of_flow.key = 'regrow.flow' AND of_flow.value = 'monitor')"
            ),
        )
        own = connection.execute(
            text("SELECT min(experiment_id) FROM runs JOIN copied USING (run_uuid)")
        ).scalar_one()
        for model in range(1, MODELS):
            connection.execute(
                text(
                    "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) "
                    "SELECT experiment_id + :model * 1000, name || :model, artifact_location, lifecycle_stage "
                    "FROM experiments WHERE experiment_id = :own"
                ),
                {"model": model, "own": own},
            )
        real = connection.execute(text("SELECT count(DISTINCT flow_run) FROM copied")).scalar_one()
        copies = max(count // real, 1)
        every = RUNS_DAYS * 86_400_000 // copies
        for table, (name, times) in MLFLOW.items():
            new = {
                name: f"md5({name} || ':' || i)",
                "experiment_id": f"experiment_id + (i % {MODELS}) * 1000",
                "value": f"CASE WHEN key IN {NAMING} THEN md5(value || ':' || i) ELSE value END"
                if table == "tags"
                else "value",
            } | {column: f"{column} - i::bigint * {every}" for column in times}
            fill(connection, table, new, f"{name} IN (SELECT run_uuid FROM copied)", copies)


def copy_flow_runs(engine: Engine, count: int) -> None:
    """Copy all of Prefect's runs of the monitoring *count* times, spread over `PREFECT_DAYS`."""
    with engine.begin() as connection:
        choose(
            connection,
            "SELECT flow_run.id FROM flow_run JOIN flow ON flow.id = flow_run.flow_id WHERE flow.name = 'monitor'",
        )
        copies = max(count // connection.execute(text("SELECT count(*) FROM copied")).scalar_one(), 1)
        every = PREFECT_DAYS * 86_400 // copies
        for table, (name, named) in PREFECT.items():
            chosen = (
                f"{name} IN (SELECT id FROM copied)"
                if name
                else "task_run_id IN (SELECT id FROM task_run WHERE flow_run_id IN (SELECT id FROM copied))"
            )
            new = {column: f"md5({column}::text || ':' || i)::uuid" for column in named} | {
                column: f"{column} - i * interval '{every} seconds'"
                for column in (
                    "created",
                    "updated",
                    "timestamp",
                    "start_time",
                    "end_time",
                    "expected_start_time",
                )
            }
            fill(connection, table, new | {"idempotency_key": "NULL"}, chosen, copies)


def choose(connection: Connection, query: str) -> None:
    """Keep what *query* finds as the table `copied`; references are not checked while its copies are made."""
    connection.execute(text("SET session_replication_role = replica"))
    connection.execute(text(f"CREATE TEMP TABLE copied AS {query}"))


def fill(connection: Connection, table: str, new: dict[str, str], chosen: str, copies: int) -> None:
    """Insert each *chosen* row of *table* *copies* times, with *new* expressions for some columns; `i` counts."""
    columns = columns_of(connection, table)
    values = ", ".join(new.get(column, f'"{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    connection.execute(
        text(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {table}, generate_series(1, {copies}) AS i "
            f"WHERE {chosen}"
        )
    )


def engines_of(services: Services) -> dict[str, Engine]:
    """Connect to the two databases."""
    return {name: create_engine(services.database.address("psycopg", name)) for name in ("mlflow", "prefect")}


def simulate(share: float, folder: Path) -> Sequence[tuple[str, str]]:
    """Run the simulation at *share* of its size; return what was found, a line each."""
    settings = Settings(home=folder / "home", prefect_port=24200, mlflow_port=25000, server_port=28000)
    with running(settings, {"postgres", "prefect", "mlflow"}) as services:
        # Prefect reads where its server is when it is imported.
        from flows.score import score
        from flows.tidy import tidy
        from flows.train import train

        path, engines = write_project(folder), engines_of(services)
        train(path, NOW - timedelta(days=30))
        score(path, start=NOW - timedelta(days=40), end=NOW)
        watch(path, 40)
        before = sizes(settings.home, engines)
        first, first_look = watch(path, 26), look(path)
        after = sizes(settings.home, engines)
        runs = WARM_UP + MEASURED
        hourly = MODELS * HOURS
        copy_runs(engines["mlflow"], int(share * hourly * RUNS_DAYS))
        copy_flow_runs(engines["prefect"], int(share * hourly * PREFECT_DAYS))
        full = sizes(settings.home, engines)
        later, later_look = watch(path, 12), look(path)
        started = time.perf_counter()
        tidy()
        tidied = time.perf_counter() - started
    per_run = {name: (after[name] - before[name]) / runs for name in ("mlflow runs", "prefect runs", "files")}
    databases = {name: full[name] / share for name in ("mlflow", "prefect")}
    files = per_run["files"] * hourly * RUNS_DAYS
    total = sum(databases.values()) + files
    ratio = statistics.median(later) / statistics.median(first)
    return [
        ("a monitoring run leaves", f"{per_run['mlflow runs']:.1f} runs in MLflow, {per_run['prefect runs']:.1f} in "
         f"Prefect, {per_run['files'] / 1024:.1f} kB of files"),
        ("kept at once, at this share", f"{full['mlflow runs']:,.0f} runs in MLflow, "
         f"{full['prefect runs']:,.0f} in Prefect"),
        ("databases, for all of it", ", ".join(f"{name} {size / 1e9:.2f} GB" for name, size in databases.items())),
        ("files, for all of it", f"{files / 1e9:.2f} GB"),
        ("state after the year", f"{total / 1e9:.1f} GB (aim: at most 20)"),
        ("a monitoring run", f"{statistics.median(first):.2f} s on the first day, {statistics.median(later):.2f} s "
         f"with all that: {ratio:.2f} times (aim: at most 1.2)"),
        ("a look at no rollout", f"{first_look:.2f} s and {later_look:.2f} s"),
        ("tidy", f"{tidied:.1f} s"),
    ]  # fmt: skip


def main() -> None:
    """Print what was found."""
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 0.25
    with tempfile.TemporaryDirectory(prefix="regrow-year-") as folder:
        for name, said in simulate(share, Path(folder)):
            print(f"{name:30} {said}")


if __name__ == "__main__":
    main()
