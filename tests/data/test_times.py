"""Moments are plain, and in UTC."""

from datetime import UTC, datetime

import pendulum
import pytest

from regrow.data.times import as_utc


@pytest.mark.parametrize(
    "moment",
    [
        pendulum.datetime(2024, 3, 1, 9, 30, tz="Asia/Tokyo"),
        datetime(2024, 3, 1, 0, 30, tzinfo=UTC),
        datetime(2024, 3, 1, 0, 30),
    ],
)
def test_every_moment_becomes_a_plain_datetime(moment: datetime) -> None:
    """Whatever kind of moment comes in, `datetime` itself goes on, in UTC."""
    plain = as_utc(moment)
    assert type(plain) is datetime
    assert (plain, plain.tzinfo) == (datetime(2024, 3, 1, 0, 30, tzinfo=UTC), UTC)
