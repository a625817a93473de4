"""Moments in time, always in UTC, and how text, columns and microseconds become moments."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from regrow.base.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""No event and no label is of before or after: so a period without a begin or an end is asked for."""


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


def in_utc(values: "pd.Series") -> "pd.Series":
    """Return the moments *values* in UTC.

    pandas would first look whether enough of them are equal to be worth a cache: that takes longer than the rest.
    """
    import pandas as pd

    return pd.to_datetime(values, utc=True, cache=False)


def is_strptime(written: str | None) -> bool:
    """Return whether *written* (`data.timestamp_format`) is a format of `strptime`; such a column is read as text."""
    return written is not None and "%" in written


def parse_times(
    values: "pd.Series", where: str, written: str | None = None, *, gaps: bool = False
) -> "pd.Series":
    """Parse the column *values* as moments in UTC, in microseconds; *written* is their format, default ISO 8601.

    A format is that of `strptime`, `iso`, `epoch_s` or `epoch_ms`; a column of moments needs none, and a number is no
    date without one. Raises `DataError` that begins with *where* and names the column, the first row and the value
    that do not parse; a missing value does not, unless there may be *gaps*.
    """
    import pandas as pd

    times = _parse(values, written)
    bad = times.isna() & values.notna() if gaps else times.isna()
    if bad.any():
        row = int(bad.to_numpy().argmax())
        value = values.iloc[row]
        shown = "a missing value" if pd.isna(value) else repr(getattr(value, "item", lambda: value)())
        wanted = f"written as `{written}`" if written else "a date"
        raise DataError(
            f"{where}: column `{values.name}`, row {row}: {shown} is not {wanted} ({int(bad.sum())} such rows); "
            "write dates as 2013-04-01T12:00:00Z, or name their format in data.timestamp_format: `%m/%d/%Y`, `epoch_s`"
        )
    return times.dt.as_unit("us")


def _parse(values: "pd.Series", written: str | None) -> "pd.Series":
    """Parse *values*, which are written so, as moments in UTC; what does not parse is missing."""
    import pandas as pd

    kind = values.dtype
    if pd.api.types.is_datetime64_any_dtype(kind):
        return in_utc(values)
    if written in {"epoch_s", "epoch_ms"}:
        numbers = pd.to_numeric(values, errors="coerce")
        return pd.to_datetime(numbers, unit="s" if written == "epoch_s" else "ms", utc=True, errors="coerce")
    if written is not None and is_strptime(written):
        text = values if pd.api.types.is_string_dtype(kind) else values.astype("Int64").astype("str")
        return pd.to_datetime(text, utc=True, errors="coerce", format=written)
    if pd.api.types.is_numeric_dtype(kind):
        return pd.Series(pd.NaT, values.index, dtype="datetime64[us, UTC]")
    return pd.to_datetime(values, utc=True, errors="coerce", format="ISO8601")
