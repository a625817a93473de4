"""Moments in time, always in UTC."""

from datetime import UTC, datetime


def as_utc(moment: datetime) -> datetime:
    """Return *moment* as a plain `datetime` in UTC; one without a time zone is UTC already.

    Prefect's own moments are pendulum's `DateTime`, which pandas and Arrow do not compare with their own.
    """
    there = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return datetime.combine(there.date(), there.time(), UTC)
