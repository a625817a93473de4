"""What moved given the columns that are expected to move."""

import numpy as np
import pandas as pd
import pytest

from regrow.decisions.context import Explained, cut_cells, given
from regrow.decisions.distances import Distances, distance, measure_distances
from regrow.decisions.drift import find_drifted
from regrow.decisions.past import Past, move_of
from regrow.decisions.units import Units

LIMITS = {"temp": 0.1, "ice": 0.1, "sales": 0.1}


def days(seed: int, count: int, season: float = 0.0, more: float = 0.0) -> tuple[pd.DataFrame, Units]:
    """Draw 100 rows of each of *count* days: ice follows the temperature, which follows the *season*; sales do not."""
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(count), 100)
    temp = (season + random.normal(size=count))[codes] + 0.5 * random.normal(size=len(codes))
    ice = temp + (0.5 * random.normal(size=count))[codes] + random.normal(size=len(codes)) + more
    sales = random.normal(size=len(codes))
    return pd.DataFrame({"temp": temp, "ice": ice, "sales": sales}), Units(codes, "day")


def look(
    seed: int, season: float, more: float, context: tuple[str, ...]
) -> tuple[tuple[str, ...], Distances]:
    """Return which columns of a month moved from a quarter, and how far."""
    reference, units = days(seed, 90)
    window, served = days(seed + 1000, 31, season, more)
    distances = measure_distances(reference, window, "psi", LIMITS, context)
    past = Past(units, served)
    moves = {name: move_of(distances, past, name) for name in distances.judged}
    return find_drifted(moves, 0.05), distances


def test_what_the_season_explains_is_no_drift() -> None:
    """A warmer month moves what follows the temperature; given the temperature nothing has moved, and it is told."""
    drifted, _ = look(0, 1.5, 0.0, ())
    assert {"temp", "ice"} <= set(drifted)
    drifted, distances = look(0, 1.5, 0.0, ("temp",))
    assert drifted == ()
    assert distances.explained is not None
    assert str(distances.explained).startswith(" given temp, which explains ice")
    assert distances.values["temp"] > 0.2, "how far the context itself moved is told all the same"


def test_what_moves_beside_the_season_is_drift() -> None:
    """A column that moved beyond what its context lets expect is found, in the same season and in another one."""
    for season in (0.0, 1.5):
        assert look(0, season, 1.5, ("temp",))[0] == ("ice",)


def test_the_level_holds_given_a_context() -> None:
    """In 60 months of other seasons in which nothing else moves, at most 5 of 100 looks name a column, and chance."""
    found = sum(bool(look(seed, seed % 3 * 0.75, 0.0, ("temp",))[0]) for seed in range(60))
    assert found <= 7


def test_a_context_that_the_reference_does_not_know_concludes_nothing() -> None:
    """In a summer of which the past knows no day nothing is drift, and the share that is known is told."""
    drifted, distances = look(0, 9.0, 3.0, ("temp",))
    assert "ice" not in drifted
    assert distances.explained is not None
    assert distances.explained.covered < 0.3
    assert distances.explained.obstacle.endswith("of the rows have a context (temp) that the reference knows")


def test_a_past_of_few_such_days_concludes_nothing() -> None:
    """If nearly all of what the reference knows of a context is of a few days, it says of how many."""
    reference, units = days(0, 90)
    hot = units.codes < 4
    reference["temp"] = np.where(hot, 9.0, 0.0) + 0.1 * np.random.default_rng(0).normal(size=len(reference))
    window, served = days(1, 31)
    window["temp"] = 9.0 + 0.1 * np.random.default_rng(1).normal(size=len(window))
    distances = measure_distances(reference, window, "psi", LIMITS, ("temp",))
    explained = Past(units, served).explained(distances)
    assert explained is not None and explained.covered > 0.9
    assert explained.obstacle.startswith("the reference's rows of such a context (temp) are worth ")
    assert explained.obstacle.endswith(" days of 10 that it takes")


def test_the_floor_knows_how_few_rows_a_context_leaves() -> None:
    """Without units the floor counts the rows that the cells are worth: in 60 windows of another season few are found.

    With the plain number of rows 37 of these 60 were.
    """
    found = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        sides = []
        for rows, season in ((3000, 0.0), (1500, 1.5)):
            temp = random.normal(size=rows) + season
            sides.append(pd.DataFrame({"temp": temp, "ice": 0.3 * temp + random.normal(size=rows)}))
        distances = measure_distances(*sides, "psi", {"ice": 0.0}, ("temp",))
        found += move_of(distances, Past(None, None), "ice").doubt <= 0.05
    assert found <= 8


def test_many_rare_texts_are_no_context() -> None:
    """Two thousand shops, each of a few rows, are not one shop: nothing is concluded, and the share is told."""
    random = np.random.default_rng(0)
    sides = [
        pd.DataFrame(
            {"shop": [f"s{n}" for n in random.integers(0, 2000, 5000)], "n": random.normal(size=5000)}
        )
        for _ in range(2)
    ]
    explained = measure_distances(*sides, "psi", {"n": 0.2}, ("shop",)).explained
    assert explained is not None
    assert explained.obstacle == "only 0% of the rows have a context (shop) that the reference knows"


def test_shops_that_have_rows_each_have_a_cell() -> None:
    """Of twenty-four shops of equal size each is a cell of its own."""
    random = np.random.default_rng(0)
    sides = (pd.DataFrame({"shop": [f"s{n}" for n in random.integers(0, 24, 5000)]}) for _ in range(2))
    cells = cut_cells(*sides)
    assert (cells.count, cells.covered) == (25, 1.0)


def test_a_context_of_one_value_is_none() -> None:
    """A context that is the same in all rows tells none apart: columns are compared as without it."""
    reference, _ = days(0, 20)
    window, _ = days(1, 20)
    sides = [side.assign(place="here") for side in (reference, window)]
    given_place = measure_distances(*sides, "psi", LIMITS, ("place",))
    assert given_place.explained is None
    assert given_place.values == measure_distances(*sides, "psi", LIMITS).values


def test_the_page_shows_what_was_compared() -> None:
    """The bins on the page are of reference rows as they are expected given the context, so its figures are ours."""
    reference, _ = days(0, 90)
    window, _ = days(1, 31, season=1.5)
    distances = measure_distances(reference, window, "psi", LIMITS, ("temp",))
    sides = [distances._labels(["ice"], side)["ice"].value_counts() for side in ("reference", "window")]
    bins = sides[0].index.union(sides[1].index)
    counts = [side.reindex(bins, fill_value=0).to_numpy(float) for side in sides]
    assert distances.plain["ice"] > 0.5
    assert float(distance(*counts, "psi")) == pytest.approx(distances.values["ice"], abs=0.02)


def test_text_and_gaps_make_cells_too() -> None:
    """Cells are of numbers, text and missing values; rows that the reference hardly knows are in the last one."""
    reference = pd.DataFrame({"a": ["x"] * 500 + ["y"] * 495 + ["rare"] * 5, "b": [1.0, np.nan] * 500})
    window = pd.DataFrame({"a": ["x", "rare", "new", None], "b": [1.0, 1.0, np.nan, np.nan]})
    cells = cut_cells(reference, window)
    assert cells.count == 5
    assert cells.window[0] in cells.reference
    assert cells.window[1:].tolist() == [4, 4, 4]


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_more_columns_make_coarser_cells(columns: int) -> None:
    """Of one to three columns there are some hundred cells at most, so that each has rows."""
    random = np.random.default_rng(0)
    sides = (
        pd.DataFrame({f"n{place}": random.normal(size=20_000) for place in range(columns)}) for _ in range(2)
    )
    assert 10 <= cut_cells(*sides).count <= 130


def test_each_cell_counts_with_the_weight_of_the_served_rows() -> None:
    """By hand: cells of 100 and 300 served rows, of which the reference lets expect 50 % and 10 % in the first bin."""
    reference = np.array([[50.0, 50.0], [20.0, 180.0], [0.0, 0.0]])
    window = np.array([[100.0, 0.0], [0.0, 300.0], [0.0, 100.0]])
    found = given(reference, window, window.sum(axis=-1))
    assert found.covered == pytest.approx(0.8)
    assert found.expected / found.expected.sum() == pytest.approx([0.2, 0.8])
    assert found.found / found.found.sum() == pytest.approx([0.25, 0.75])


def test_a_context_that_was_not_logged_is_named() -> None:
    """A context column that the log lacks concludes nothing, and says which it is."""
    told = Explained(("temp",), 0.0, lacking=("temp",)).obstacle
    assert told.startswith("monitoring.drift.context: `temp` not among the features")
