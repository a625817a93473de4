"""Draw the same rows of a log each time, at a cost that follows the sample and not the log.

A sample is the rows whose identifiers hash lowest. A log is partitioned by `tier`: tiers from k on hold the rows of
the lowest 16^-k of all hashes, so that a sample is found in the highest tiers that are large enough, and is the one
that reading the whole log would give.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

TIER = "tier"
BELOW = -1
"""The tier of what is never sampled."""
FRACTION, HIGHEST = 16, 2
HASHES = 2.0**64


def tiers(identifiers: pa.ChunkedArray) -> pa.Array:
    """Return each row's tier: 0 for 15 of 16 rows, 1 for 15 of 256, 2 for the rest."""
    hashes = _hash(identifiers)
    return pa.array(sum((hashes < HASHES / FRACTION**tier).astype("int32") for tier in range(1, HIGHEST + 1)))


def draw(dataset: ds.Dataset, max_rows: int, columns: list[str] | None = None) -> pa.Table:
    """Read the rows of *dataset*, or the *max_rows* of them whose `prediction_id` hash lowest.

    *columns*, `prediction_id` among them, are those that are read (default: all).

    The sample depends on nothing but the rows: neither on their order nor on their files.
    """
    part, rows, highest = _smallest_part(dataset, max_rows)
    if rows <= max_rows:
        return part.to_table(columns)
    spare = (
        6 * max_rows**0.5 + 30
    )  # Six standard deviations of how many hashes lie below a limit, and a few more.
    limit = highest * min(1.0, (max_rows + spare) / rows)
    batches, keys = [], []
    for batch, hashes in _hashed(part, columns):
        chosen = hashes <= limit
        batches.append(batch.filter(pa.array(chosen)))
        keys.append(hashes[chosen])
    order = np.sort(np.argsort(np.concatenate(keys), kind="stable")[:max_rows])
    return pa.Table.from_batches(batches).take(pa.array(order))


def _smallest_part(dataset: ds.Dataset, max_rows: int) -> tuple[ds.Dataset, int, float]:
    """Return the highest tiers of *dataset* that hold *max_rows* rows, how many they hold, and their highest hash."""
    for tier in range(HIGHEST, 0, -1) if TIER in dataset.schema.names else ():
        part = dataset.filter(pc.field(TIER) >= tier)
        rows = part.count_rows()
        if rows >= max_rows:
            return part, rows, HASHES / FRACTION**tier
    return dataset, dataset.count_rows(), HASHES


def _hashed(
    dataset: ds.Dataset, columns: list[str] | None
) -> Iterator[tuple[pa.RecordBatch, NDArray[np.uint64]]]:
    """Yield the batches of *dataset*, each with the hash of every row's identifier."""
    for batch in dataset.to_batches(columns=columns, batch_readahead=4, fragment_readahead=2):
        if batch.num_rows:
            yield batch, _hash(batch.column("prediction_id"))


def _hash(identifiers: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
    """Hash each of *identifiers*, the same way on every machine."""
    return pd.util.hash_array(np.asarray(identifiers, dtype=object), categorize=False)
