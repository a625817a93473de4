"""Moments in time, always in UTC, and how text, columns and microseconds become moments."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from regrow.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_utc(moment: datetime) -> datetime:
    """Return *moment* as a plain `datetime` in UTC; one without a time zone is UTC already.

    Prefect's own moments are pendulum's `DateTime`, which pandas and Arrow do not compare with their own.
    """
    there = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return datetime.combine(there.date(), there.time(), UTC)


def read_moment(text: str) -> datetime:
    """Read *text*, ISO 8601, as a moment in UTC; without an offset it is UTC. Raises `ValueError` if it is none."""
    try:
        return as_utc(datetime.fromisoformat(text))
    except OverflowError as error:
        raise ValueError(f"{text} is beyond the years that a moment can have") from error


def to_microseconds(moment: datetime) -> int:
    """Return the microseconds from 1970 to *moment*, exactly; without a time zone it is UTC."""
    past = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH
    return (past.days * 86400 + past.seconds) * 1_000_000 + past.microseconds


def parse_times(values: "pd.Series", where: str) -> "pd.Series":
    """Parse the column *values* as moments in UTC, in microseconds.

    Raises `DataError` that begins with *where* and names the column, the first row and the value that do not parse.
    """
    import pandas as pd

    typed = pd.api.types.is_datetime64_any_dtype(values)
    times = pd.to_datetime(values, utc=True, errors="coerce", format=None if typed else "ISO8601")
    bad = times.isna()
    if bad.any():
        row = int(bad.to_numpy().argmax())
        value = values.iloc[row]
        shown = "a missing value" if pd.isna(value) else repr(getattr(value, "item", lambda: value)())
        raise DataError(
            f"{where}: column `{values.name}`, row {row}: {shown} is not a date ({int(bad.sum())} such rows); "
            "write dates as 2013-04-01T12:00:00Z"
        )
    return times.dt.as_unit("us")
