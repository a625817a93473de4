"""Read the watched window and its reference: the same rows each time, in memory that follows the sample."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from regrow.data.files import write_whole
from regrow.data.snapshots import Snapshot, checked_path, write_snapshot
from regrow.settings import load_settings


def sample_snapshot(snapshot: Snapshot, columns: list[str], max_rows: int) -> pd.DataFrame:
    """Read *columns* of at most *max_rows* rows of *snapshot*, drawn by its digest.

    The sample is kept as a snapshot of its own: every later run compares with the same rows, and reads no others.
    """
    if snapshot.rows <= max_rows:
        return snapshot.read(columns)
    drawn = "\n".join([snapshot.digest, str(max_rows), *columns])
    note = load_settings().snapshots / "samples" / f"{hashlib.sha256(drawn.encode()).hexdigest()}.json"
    if note.exists():
        kept = Snapshot.model_validate_json(note.read_text(), extra="ignore")
        if kept.path.exists():
            return kept.read()
    sample = write_snapshot(_draw(snapshot, columns, max_rows))
    _write_note(note, sample)
    return sample.read()


def _draw(snapshot: Snapshot, columns: list[str], max_rows: int) -> pd.DataFrame:
    """Draw *max_rows* rows of *snapshot*, in their order."""
    generator = np.random.default_rng(int(snapshot.digest[:16], 16))
    chosen = np.sort(generator.choice(snapshot.rows, size=max_rows, replace=False))
    with pq.ParquetFile(checked_path(snapshot)) as file:
        parts, start = [], 0
        for batch in file.iter_batches(batch_size=262_144, columns=columns):
            low, high = np.searchsorted(chosen, [start, start + batch.num_rows])
            parts.append(batch.take(pa.array(chosen[low:high] - start)))
            start += batch.num_rows
    return pa.Table.from_batches(parts).to_pandas()


def _write_note(note: Path, sample: Snapshot) -> None:
    """Write the place of *sample* to *note*, so that a reader sees the whole note or none."""
    note.parent.mkdir(exist_ok=True)
    write_whole(note, sample.model_dump_json().encode())
