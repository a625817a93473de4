"""Moments in time, always in UTC."""

from datetime import UTC, datetime


def as_utc(moment: datetime) -> datetime:
    """Read *moment* as UTC where it names no time zone."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
