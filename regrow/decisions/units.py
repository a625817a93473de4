"""Which rows are one observation: the sampling unit of every interval and test (`data.unit`)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.base.verdict import count_units
from regrow.data.rows import event_times
from regrow.data.sources import as_names
from regrow.data.times import as_utc, in_utc
from regrow.models.metrics import Codes
from regrow.project import Data, Unit
from regrow.project.data import PERIODS

HOUR = 3_600_000_000
"""Microseconds."""
LENGTHS: dict[Unit, int] = {"hour": HOUR, "day": 24 * HOUR, "week": 7 * 24 * HOUR}
FIRST_MONDAY = 4 * 24 * HOUR
"""From 1 January 1970, a Thursday, to the Monday after it."""


@dataclass(frozen=True)
class Units:
    """The unit that each row belongs to: rows of one unit are one observation."""

    codes: Codes
    """Numbers from 0 to `count` - 1, in the order of time if the unit is a period."""
    unit: Unit

    @property
    def count(self) -> int:
        """How many units have a row."""
        return int(self.codes.max()) + 1 if len(self.codes) else 0

    @property
    def named(self) -> str:
        """The number of units in words: `18 days`."""
        return count_units(self.count, self.unit)

    @property
    def ordered(self) -> bool:
        """Whether the units follow one another in time, so that neighbours may be alike."""
        return self.unit in PERIODS

    @property
    def sizes(self) -> Codes:
        """The rows of each unit."""
        return np.bincount(self.codes, minlength=self.count).astype(np.int64)

    def blocks(self, length: float | None = None) -> "Units":
        """Join consecutive periods to blocks of n^(1/3) of them, n being their number, or of about *length* of them.

        Other units stay as they are. Neighbouring days are alike, blocks of days less so. The rate is that of Politis
        and White (2004); that it keeps the level about as well as anything, at the least cost, was measured
        (docs/decisions.md).
        """
        if not self.ordered or not self.count:
            return self
        usual = self.count // max(1, round(self.count ** (1 / 3)))
        number = usual if length is None else max(2, round(self.count / length))
        return Units(self.codes * number // self.count, self.unit)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Units":
        """Return the units of *rows* alone, in their order."""
        return (
            single_rows(len(self.codes[rows]))
            if self.unit == "row"
            else Units(number(self.codes[rows]), self.unit)
        )


def unit_fields(units: Units | None) -> dict[str, Any]:
    """Return the fields of a finding that count *units*; none if nobody knows them."""
    return {} if units is None else {"units": units.count, "unit": units.unit}


def single_rows(rows: int) -> Units:
    """Return units of which each of *rows* is one."""
    return Units(np.arange(rows, dtype=np.int64), "row")


def units_of(frame: pd.DataFrame, data: Data) -> Units:
    """Return the units of *frame*, rows of the source of *data*.

    A table knows no requests: there each row stands alone, as does a row without an entity. Rows without an event
    time are one unit, the first.
    """
    unit = data.sampling_unit
    if unit in PERIODS:
        return Units(period_codes(event_times(frame, data).fillna(-1).to_numpy(np.int64), unit), unit)
    if unit == "entity":
        return Units(_entity_codes(as_names(frame[str(data.entity)]).reset_index(drop=True)), unit)
    return single_rows(len(frame))


def units_of_logged(rows: pd.DataFrame, unit: Unit) -> Units:
    """Return the units of *rows* of the prediction log."""
    if unit in PERIODS:
        return Units(period_codes(_event_microseconds(rows), unit), unit)
    if unit == "entity":
        return Units(
            _entity_codes(rows["entity_id"].astype("object").fillna("").reset_index(drop=True)), unit
        )
    if unit == "request":
        return Units(request_codes(rows), unit)
    return single_rows(len(rows))


def name_units(rows: pd.DataFrame, unit: Unit) -> NDArray[np.generic] | None:
    """Return what names the unit of each of *rows* of the prediction log, in whichever part of the log they stand.

    A period is named by its beginning, a request by its id or, if it had none, by its moment. None of other units:
    they are the entity, or the row itself.
    """
    if unit in PERIODS:
        return _period_starts(_event_microseconds(rows), unit)
    if unit == "request":
        return rows["request_id"].fillna(rows["served_at"].astype(str)).to_numpy(dtype=str)
    return None


def are_over(rows: pd.DataFrame, unit: Unit, delay: timedelta, as_of: datetime) -> NDArray[np.bool_]:
    """Return whether the unit of each of *rows* of the prediction log was over *delay* before *as_of*.

    Of a period that is its end; what an entity or a request will still bring nobody knows, so those always are.
    """
    if unit not in PERIODS:
        return np.ones(len(rows), dtype=np.bool_)
    ends = _period_starts(_event_microseconds(rows), unit) + LENGTHS[unit]
    return ends <= pd.Timestamp(as_utc(as_of) - delay).value // 1000


def request_codes(rows: pd.DataFrame) -> Codes:
    """Return the number of the request of each of *rows* of the prediction log, in their order.

    Rows that no request is named for are of one if they were answered at one moment.
    """
    named = rows["request_id"]
    moments = rows["served_at"].where(named.isna())
    groups = rows.groupby([named, moments], dropna=False, sort=False).ngroup()
    return groups.to_numpy().astype(np.int64)


def period_codes(microseconds: NDArray[np.int64], unit: Unit) -> Codes:
    """Return the number of the hour, day or week (from Monday on), UTC, that *microseconds* since 1970 fall in."""
    return number(_period_starts(microseconds, unit))


def number(values: NDArray[np.generic]) -> Codes:
    """Return the place of each of *values* among the distinct ones, in their order."""
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _period_starts(microseconds: NDArray[np.int64], unit: Unit) -> NDArray[np.int64]:
    """Return when the period began that each of *microseconds* falls in; both since 1970."""
    start = FIRST_MONDAY if unit == "week" else 0
    return (microseconds - start) // LENGTHS[unit] * LENGTHS[unit] + start


def _event_microseconds(rows: pd.DataFrame) -> NDArray[np.int64]:
    """Return the event time of each of *rows* of the prediction log, in microseconds since 1970."""
    return in_utc(rows["event_time"]).dt.as_unit("us").astype("int64").to_numpy()


def _entity_codes(names: pd.Series) -> Codes:
    """Return the number of each entity of *names*; each row without a name is an entity of its own."""
    alone = pd.Series([f"#{place}" for place in range(len(names))], dtype="object")
    return number(("@" + names).where(names != "", alone).to_numpy(dtype=str))
