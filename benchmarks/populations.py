"""Units of real tables (days, households) from which the drift benchmarks draw references and windows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from real_tables import (
    day_codes,
    places_of,
    read_doctors,
    read_hours,
    read_quarter,
    with_airports,
    with_health,
)

from regrow.decisions.past import Past
from regrow.decisions.units import Units, number
from regrow.project import DriftRule, Unit

Days = NDArray[np.int64]
MILLION = 1_000_000


@dataclass(frozen=True)
class Window:
    """Windows that a population is looked at in."""

    units: int
    rows: int
    """At most; of a `MILLION` each unit has as many more as it takes, and the window is thinned as monitoring does."""
    looks: int
    """In a year."""


@dataclass(frozen=True)
class Population:
    """Units of a real table, from which a reference and windows are drawn."""

    frame: pd.DataFrame
    unit: Unit
    places: list[Days]
    """Of the rows of each unit."""
    reference: int
    """Units of it."""
    windows: tuple[Window, ...]
    number: str
    """A column that is shifted and stretched."""
    category: str
    rescaled: tuple[str, Callable[[pd.Series], pd.Series], str]
    """A column, what changes its unit, and that in words."""
    mixed: str
    """A column that is mixed among rows."""

    def draw(
        self, window: Window, random: np.random.Generator, most: int = 20_000
    ) -> tuple[pd.DataFrame, pd.DataFrame, Past]:
        """Draw a reference of *most* rows at most, a *window* of other units, and their past."""
        chosen = random.integers(len(self.places), size=self.reference + window.units)
        reference, units = self._rows(chosen[: self.reference], most)
        served, asked = self._rows(chosen[self.reference :], window.rows)
        return reference, served, Past(units, asked)

    def _rows(self, chosen: Days, rows: int) -> tuple[pd.DataFrame, Units]:
        """Return at most *rows* rows of the *chosen* units, and their units."""
        places = np.concatenate([self.places[unit] for unit in chosen])
        codes = np.repeat(np.arange(len(chosen)), [len(self.places[unit]) for unit in chosen])
        random = np.random.default_rng(0)
        if rows >= MILLION:
            kept = np.sort(random.choice(random.integers(len(places), size=rows), DriftRule().max_rows))
            places, codes = places[kept], codes[kept]
        elif len(places) > rows:
            kept = np.sort(random.choice(len(places), rows, replace=False))
            places, codes = places[kept], codes[kept]
        return self.frame.iloc[places].reset_index(drop=True), Units(number(codes), self.unit)


DAYS = Window(31, 20_000, 12), Window(7, 20_000, 52), Window(14, 200, 26)


def by_day(times: pd.Series) -> list[Days]:
    """Return the places of the rows of each of the first 90 days."""
    return places_of(day_codes(times))[:90]


def flights() -> Population:
    """Return the flights of January to March, by day."""
    frame, times = read_quarter()
    return Population(frame, "day", by_day(times), 72, (*DAYS, Window(31, MILLION, 12)),
                      "temp", "origin", ("distance", lambda miles: miles * 1.609, "kilometres for miles"),
                      "dewp")  # fmt: skip


def flights_and_airports() -> Population:
    """Return these flights with the weather of three airports before: 116 columns."""
    frame, times = read_quarter()
    frame = with_airports(frame, times, (3, 6, 12, 24))
    return Population(frame, "day", by_day(times), 72, DAYS, "temp", "origin",
                      ("distance", lambda miles: miles * 1.609, "kilometres for miles"), "dewp")  # fmt: skip


def hours() -> Population:
    """Return the weather of each hour at three airports, by day."""
    rows = read_hours().sort_values("time_hour", ignore_index=True)
    frame = rows.drop(columns="time_hour")
    return Population(frame, "day", by_day(rows["time_hour"]), 72, DAYS, "pressure", "origin",
                      ("wind_speed", lambda miles: miles * 1.609, "kilometres for miles"), "humid")  # fmt: skip


def airports() -> Population:
    """Return each hour with the weather of three airports then and before: 120 columns."""
    times = read_hours()["time_hour"].drop_duplicates().sort_values(ignore_index=True)
    frame = with_airports(pd.DataFrame(index=times.index), times, (0, 3, 6, 12, 24))
    return Population(frame, "day", by_day(times), 72, DAYS, "pressure JFK -0", "",
                      ("wind_speed JFK -0", lambda miles: miles * 1.609, "kilometres for miles"),
                      "humid JFK -0")  # fmt: skip


def doctors() -> Population:
    """Return the persons of the RAND experiment, by household, which have no order in time."""
    features, _, household = read_doctors()
    windows = Window(300, 20_000, 12), Window(75, 20_000, 52), Window(150, 200, 26)
    return Population(with_health(features), "entity", places_of(number(household)), 1_000, windows, "disea", "health",
                      ("lpi", lambda natural: natural / np.log(10), "decadic logarithms for natural ones"),
                      "disea")  # fmt: skip


POPULATIONS = {
    "flights": flights,
    "flights and airports": flights_and_airports,
    "weather by hour": hours,
    "weather of three airports": airports,
    "doctor visits": doctors,
}
