"""Compare batch scoring with `predict_proba` in process: here, on one and on two workers of Dask, one of them killed.

Usage: OMP_WAIT_POLICY=PASSIVE python benchmarks/scoring.py [--full] [rows …]
(default: 1000000 5000000; --full adds 20000000, in this process alone; 20 columns, HistGradientBoostingClassifier, from
Parquet to Parquet)
"""

import sys
import tempfile
from pathlib import Path

from table import Cost, run, store_model, write_parquet, write_project

IN_PROCESS = 5_000_000
"""Rows that the bare prediction gets at most: it holds them all."""
BARE = """
import os, sys, time
import pyarrow.parquet as pq
from regrow.models.stored import load_model
folder, most = sys.argv[1:]
model, parts, rows = load_model(f"{folder}/model"), [], 0
for batch in pq.ParquetFile(f"{folder}/rows.parquet").iter_batches(columns=model.features):
    parts.append(batch)
    rows += batch.num_rows
    if rows >= int(most):
        break
import pyarrow as pa
frame = pa.Table.from_batches(parts).to_pandas()
del parts
started, worked = time.perf_counter(), sum(os.times()[:4])
model.pipeline.predict_proba(frame)
print(time.perf_counter() - started, sum(os.times()[:4]) - worked)
"""
SCORE = """
import os, sys, time
from datetime import UTC, datetime
from pathlib import Path
import psutil
from regrow.data.batch_log import BatchLog
from regrow.models.stored import load_model
from regrow.project import load_project
from tasks.score_rows import score_period
folder, rows, kill = sys.argv[1:]
model, project = load_model(f"{folder}/model"), load_project(Path(folder, "table.yaml"))
add, calls = BatchLog.add, []
def kill_one(self, table):
    calls.append(1)
    if len(calls) == int(kill):
        tree = psutil.Process().children(recursive=True)
        next(each for each in tree if "spawn_main" in " ".join(each.cmdline())).kill()
    return add(self, table)
BatchLog.add = kill_one
started, worked = time.perf_counter(), sum(os.times()[:4])
scored = score_period(project, model, 1, None, None, datetime(2026, 1, 1, tzinfo=UTC))
assert scored.new == scored.delivered == int(rows), scored
print(time.perf_counter() - started, sum(os.times()[:4]) - worked)
"""
WAYS = (
    ("in this process", "", 0),
    ("one worker", "local:1", 0),
    ("two workers", "local:2", 0),
    ("one of two killed", "local:2", 3),
)


def show(title: str, rows: int, cost: Cost, bare: float = 0.0, bare_cpu: float = 0.0) -> None:
    """Print a line; *bare* and *bare_cpu* are the seconds that the same rows take in process."""
    ratios = f"{bare / cost.seconds:5.2f} of its rate, {bare_cpu / cost.cpu:5.2f} by CPU" if bare else ""
    print(
        f"  {title:<22} {cost.seconds:7.1f} s {rows / cost.seconds:10,.0f} rows/s {cost.cpu:7.1f} s CPU "
        f"{cost.peak:6.2f} GB  {ratios}",
        flush=True,
    )


def measure(folder: Path, rows: int) -> None:
    """Print what *rows* rows cost in each way."""
    print(f"{rows:,} rows", flush=True)
    destination = {"kind": "parquet", "path": "out"}
    source = {"kind": "parquet", "path": "rows.parquet"}
    write_parquet(folder / "rows.parquet", rows)
    store_model(write_project(folder, source, scoring={"destination": destination}), folder / "model")
    in_process = min(rows, IN_PROCESS)
    bare = run(BARE, str(folder), str(in_process))
    show("predict_proba", in_process, bare)
    scale = rows / in_process
    ways = WAYS if rows <= IN_PROCESS else WAYS[:1]
    for number, (title, address, kill) in enumerate(ways):
        home = str(folder / f"home{number}")
        cost = run(SCORE, str(folder), str(rows), str(kill), REGROW_HOME=home, REGROW_DASK=address)
        show(title, rows, cost, bare.seconds * scale, bare.cpu * scale)
        (folder / "out").rename(folder / f"out{number}")


def main(words: list[str]) -> None:
    """Measure at each size, each on a fresh state folder."""
    sizes = [int(word) for word in words if word != "--full"] or [1_000_000, 5_000_000]
    for rows in [*sizes, *([20_000_000] if "--full" in words else [])]:
        with tempfile.TemporaryDirectory(prefix="regrow-benchmark-") as folder:
            measure(Path(folder), rows)


if __name__ == "__main__":
    main(sys.argv[1:])
