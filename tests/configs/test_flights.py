"""The flights' source."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from regrow.project import load_project

PROJECT = load_project(Path(__file__).parents[2] / "configs" / "flights.yaml")
DAY = datetime(2013, 2, 1, tzinfo=UTC), datetime(2013, 2, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def load():
    return PROJECT.resolve("flights:load")


def test_rows_lie_in_the_window(load):
    """The start is included, the end is not, and no flight is there twice."""
    flights = load(*DAY)
    assert flights["scheduled_departure"].between(*DAY, inclusive="left").all()
    assert flights["flight_id"].is_unique
    assert len(flights) > 700


def test_nothing_after_departure_is_a_feature(load):
    """No column tells what only the flight itself shows."""
    assert not {"dep_delay", "dep_time", "arr_time", "arr_delay", "air_time"} & set(load(*DAY))


def test_cancelled_flight_has_no_target(load):
    """A cancelled or diverted flight is neither late nor on time."""
    late = load(*DAY)["late"]
    assert late.isna().any()
    assert set(late.dropna()) == {True, False}


def test_weather_and_plane_are_joined(load):
    """Most flights know their weather and their aircraft."""
    flights = load(*DAY)
    assert flights["temp"].notna().mean() > 0.9
    assert flights["seats"].notna().mean() > 0.7
