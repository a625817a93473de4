"""Time the drift test of one monitoring run on prediction logs of growing size.

Usage: python benchmarks/drift.py [rows …]     (default: 100000 1000000 10000000; 20 columns)
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from regrow.data.predictions import append_predictions, count_predictions, read_predictions
from regrow.data.reference import sample_snapshot
from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.decisions.distances import measure_distances
from regrow.project import DriftRule

START = datetime(2024, 1, 1, tzinfo=UTC)
COLUMNS = [f"n{place}" for place in range(16)] + [f"c{place}" for place in range(4)]
CHUNK = 250_000


def features(rows: int, seed: int, shift: float = 0.0) -> dict[str, pa.Array]:
    """Draw 16 columns of numbers and 4 of categories."""
    random = np.random.default_rng(seed)
    numbers = {name: pa.array(random.normal(shift, 1, rows).round(3)) for name in COLUMNS[:16]}
    words = pa.array([f"word{place}" for place in range(12)])
    texts = {name: words.take(pa.array(random.integers(0, 12, rows))) for name in COLUMNS[16:]}
    return numbers | texts


def write_log(model: str, rows: int) -> None:
    """Append *rows* predictions, a chunk at a time."""
    for number, start in enumerate(range(0, rows, CHUNK), 1):
        count = min(CHUNK, rows - start)
        columns = features(count, number, 0.3)
        times = [START + timedelta(seconds=number)] * count
        table = pa.table(
            {
                "prediction_id": pa.array([f"{start + place:016x}" for place in range(count)]),
                "entity_id": pa.array([str(start + place) for place in range(count)]),
                "event_time": pa.array(times, pa.timestamp("us", tz="UTC")),
                "served_at": pa.array(times, pa.timestamp("us", tz="UTC")),
                "model": pa.array([model] * count),
                "version": pa.array([1] * count, pa.int64()),
                "role": pa.array(["champion"] * count),
                "features": pa.StructArray.from_arrays(list(columns.values()), list(columns)),
                "prediction": pa.array([[0.5]] * count, pa.list_(pa.float64())),
            }
        )
        append_predictions(model, table, "benchmark", number)


def write_reference(rows: int) -> Snapshot:
    """Write a reference of *rows* rows as a snapshot."""
    return write_snapshot(pa.table(features(rows, 0)).to_pandas())


def measure(rows: int, rule: DriftRule) -> Iterator[tuple[str, float]]:
    """Time what a monitoring run does: sample both sides, count, compare every column, render the report."""
    model = f"log-{rows}"
    write_log(model, rows)
    reference = write_reference(rows)
    started, worked = time.perf_counter(), time.process_time()
    window = read_predictions(model, START, START + timedelta(days=1), rule.max_rows)
    yield "read the log", (drawn := time.perf_counter()) - started
    count_predictions(model, START, START + timedelta(days=1))
    yield "count the log", (read := time.perf_counter()) - drawn
    sample = sample_snapshot(reference, COLUMNS, rule.max_rows)
    yield "draw the reference, once for each champion", (kept := time.perf_counter()) - read
    sample = sample_snapshot(reference, COLUMNS, rule.max_rows)
    yield "read the reference", (sampled := time.perf_counter()) - kept
    distances = measure_distances(
        sample, window.features, rule.method, dict.fromkeys(COLUMNS, rule.threshold)
    )
    with tempfile.TemporaryDirectory() as folder:
        distances.save_html(Path(folder, "report.html"))
    yield "compare and report", time.perf_counter() - sampled
    yield "total", time.perf_counter() - started
    yield "of it processor time", time.process_time() - worked


def main(sizes: list[int]) -> None:
    """Print the seconds of each part at each size, and the ratio of the totals to the first."""
    import evidently
    import evidently.metrics  # noqa: F401

    first = 0.0
    for rows in sizes:
        parts = dict(measure(rows, DriftRule()))
        first = first or parts["total"]
        figures = " · ".join(f"{name} {seconds:.2f} s" for name, seconds in parts.items())
        print(f"{rows:>12,} rows: {figures} · {parts['total'] / first:.2f} times the first", flush=True)


if __name__ == "__main__":
    import os

    with tempfile.TemporaryDirectory() as home:
        os.environ["REGROW_HOME"] = home
        main([int(size) for size in sys.argv[1:]] or [100_000, 1_000_000, 10_000_000])
