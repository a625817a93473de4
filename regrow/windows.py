"""Read the watched window and its reference: the same rows each time, in memory that follows the sample."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from regrow.project import Monitoring
from regrow.results import ModelFacts
from regrow.snapshots import Snapshot, checked_path


def sample_snapshot(snapshot: Snapshot, columns: list[str], max_rows: int) -> pd.DataFrame:
    """Read *columns* of at most *max_rows* rows of *snapshot*, drawn by its digest."""
    if snapshot.rows <= max_rows:
        return snapshot.read(columns)
    generator = np.random.default_rng(int(snapshot.digest[:16], 16))
    chosen = np.sort(generator.choice(snapshot.rows, size=max_rows, replace=False))
    with pq.ParquetFile(checked_path(snapshot)) as file:
        parts, start = [], 0
        for batch in file.iter_batches(batch_size=262_144, columns=columns):
            low, high = np.searchsorted(chosen, [start, start + batch.num_rows])
            parts.append(batch.take(pa.array(chosen[low:high] - start)))
            start += batch.num_rows
    return pa.Table.from_batches(parts).to_pandas()


def shared_features(reference: Snapshot, window: Snapshot) -> list[str]:
    """Name the raw columns of *reference* that were logged with the predictions of *window*."""
    return [name for name in reference.columns if name in window.columns and not name.startswith("_")]


def reference_of(facts: ModelFacts, rule: Monitoring) -> Snapshot:
    """Give the model's own rows that a window is compared with."""
    return facts.training if rule.reference == "training" else facts.holdout


def stack_predictions(column: pd.Series, facts: ModelFacts) -> NDArray[np.float64]:
    """Turn logged predictions into the one shape of `regrow.results`: `(rows,)` or `(rows, classes)`."""
    width = max(len(facts.classes), 1)
    stacked = np.array(column.tolist(), dtype=np.float64).reshape(len(column), width)
    return stacked[:, 0] if facts.kind == "regression" else stacked
