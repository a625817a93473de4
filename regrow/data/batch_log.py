"""Batch predictions in the prediction log: each row once for each version, chunk by chunk."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from regrow.base.errors import Busy
from regrow.data.delta import ATTEMPTS, committed
from regrow.data.known_rows import KnownIds, pack
from regrow.data.predictions import append_predictions, predictions_path, scan_predictions

TRANSACTION = "score"
"""The name of all writers of batch predictions: of two at once, one compares again."""


class BatchLog:
    """The predictions of *version* of *model* for events in [*start*, *end*), as the log has them.

    Rows that are not *dated* are looked for in the whole log.
    """

    def __init__(
        self, model: str, version: int, start: datetime | None, end: datetime | None, dated: bool
    ) -> None:
        self.model, self.version, self.dated = model, version, dated
        self.period = (start, end) if dated else (None, None)
        self.known = self._old = KnownIds()
        self.former: frozenset[str] = frozenset()
        """The names of rows from before version 0.3, which may have other ids; with their event times if dated."""
        self.load()

    def load(self) -> None:
        """Look at what the log has."""
        self.number = committed(predictions_path(self.model), TRANSACTION)
        dataset = scan_predictions(self.model, *self.period)
        if dataset is None:
            return
        named, unnamed, former = [], [], []
        wanted = ("prediction_id", "event_time", "row_key", "seconds")
        there = [name for name in wanted if name in dataset.schema.names]
        for batch in dataset.to_batches(columns=there, filter=pc.field("version") == self.version):
            rows = batch.to_pandas()
            keyed = rows["row_key"].notna() if "row_key" in rows else pd.Series(False, rows.index)
            scored = rows["seconds"].isna() if "seconds" in rows else pd.Series(True, rows.index)
            named.append(pack(pa.array(rows["prediction_id"][keyed & scored], pa.string())))
            old = rows[~keyed & scored]
            unnamed.append(pack(pa.array(old["prediction_id"], pa.string())))
            former += self._dated(old["prediction_id"], old["event_time"])
        self.known, self._old, self.former = KnownIds(named), KnownIds(unnamed), frozenset(former)

    @property
    def empty(self) -> bool:
        """Whether the version has no prediction in the period, so that no row need be looked for."""
        return not (self.known or self._old or self.former)

    @property
    def gone(self) -> int:
        """How many rows that were scored before have not come up again."""
        return self.known.unmet

    def missing(self, ids: pa.Array, times: pd.Series, former: Sequence[str] | None) -> NDArray[np.bool_]:
        """Return which rows the log lacks, by their *ids*, or by their *former* ones with their event *times*."""
        known = self.known.has(ids) | self._old.has(ids)
        if self.former and former is not None:
            known |= np.array([name in self.former for name in self._dated(pd.Series(former), times)])
        return ~known

    def add(self, rows: pa.Table) -> int:
        """Append *rows*, which the log lacks, but for those that another writer has appended; return their number."""
        for _ in range(ATTEMPTS):
            if not rows.num_rows:
                return 0
            self.number += 1
            if append_predictions(self.model, rows, TRANSACTION, self.number):
                return rows.num_rows
            self.load()
            ids, times = rows.column("prediction_id").combine_chunks(), rows.column("event_time").to_pandas()
            rows = rows.filter(pa.array(self.missing(ids, times, None)))
        raise Busy(f"{predictions_path(self.model)}: other writers came first {ATTEMPTS} times; try again")

    def _dated(self, names: pd.Series, times: pd.Series) -> list[str]:
        """Return *names*, each with its event time in *times* if rows are dated."""
        if not self.dated or names.empty:
            return names.tolist()
        return (
            names.astype("str") + "@" + times.reset_index(drop=True).astype("int64").astype("str")
        ).tolist()
