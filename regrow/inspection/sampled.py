"""Rows of a snapshot that are compared with served ones, each with its sampling unit."""

import pandas as pd

from regrow.data.reference import sample_snapshot
from regrow.data.snapshots import Snapshot
from regrow.decisions.units import Units, units_of
from regrow.project import Data


def sample_with_units(
    snapshot: Snapshot, columns: list[str], max_rows: int, data: Data | None
) -> tuple[pd.DataFrame, Units | None]:
    """Read *columns* of at most *max_rows* rows of *snapshot*, and the unit of each; None if nobody knows them.

    A table knows no requests, so what one holds cannot be learnt from it. Without *data* no units are asked for.
    """
    needed = [name for name in (data.timestamp, data.entity) if name is not None] if data else []
    if data is None or data.sampling_unit == "request" or not set(needed) <= set(snapshot.columns):
        return sample_snapshot(snapshot, columns, max_rows), None
    more = [name for name in dict.fromkeys(needed) if name not in columns]
    frame = sample_snapshot(snapshot, [*columns, *more], max_rows)
    return frame[columns], units_of(frame, data)
