"""Read the watched window and its reference: the same rows each time, in memory that follows the sample."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from regrow.base.settings import load_settings
from regrow.data import store_files
from regrow.data.snapshots import Snapshot, open_snapshot, write_snapshot


def sample_snapshot(snapshot: Snapshot, columns: list[str], max_rows: int) -> pd.DataFrame:
    """Read *columns* of at most *max_rows* rows of *snapshot*, drawn by its digest.

    The sample is kept as a snapshot of its own: every later run compares with the same rows, and reads no others.
    """
    if snapshot.rows <= max_rows:
        return snapshot.read(columns)
    drawn = "\n".join([snapshot.digest, str(max_rows), *columns])
    note = load_settings().snapshots / "samples" / f"{hashlib.sha256(drawn.encode()).hexdigest()}.json"
    if store_files.is_there(note):
        kept = Snapshot.model_validate_json(store_files.read(note), extra="ignore")
        if store_files.is_there(kept.path):
            return kept.read()
    sample = write_snapshot(_draw(snapshot, columns, max_rows))
    store_files.write(note, sample.model_dump_json().encode())
    return sample.read()


def _draw(snapshot: Snapshot, columns: list[str], max_rows: int) -> pd.DataFrame:
    """Draw *max_rows* rows of *snapshot*, in their order."""
    generator = np.random.default_rng(int(snapshot.digest[:16], 16))
    chosen = np.sort(generator.choice(snapshot.rows, size=max_rows, replace=False))
    with pq.ParquetFile(open_snapshot(snapshot)) as file:
        parts, start = [], 0
        for batch in file.iter_batches(batch_size=262_144, columns=columns):
            low, high = np.searchsorted(chosen, [start, start + batch.num_rows])
            parts.append(batch.take(pa.array(chosen[low:high] - start)))
            start += batch.num_rows
    return pa.Table.from_batches(parts).to_pandas()
