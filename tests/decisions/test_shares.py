"""Shares of rows, by unit."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from regrow.decisions.shares import broken_rows, lone_share, modal_shares, rise, share_of
from regrow.decisions.units import Units, single_rows

TWO_SIDED = float((1 + 0.95) / 2)


def days(count: int, each: int) -> Units:
    """Return *count* days of *each* rows."""
    return Units(np.repeat(np.arange(count), each), "day")


def having(units: Units, share: float) -> np.ndarray:
    """Return what is true of the first *share* of each unit's rows."""
    place = np.arange(len(units.codes)) - np.searchsorted(units.codes, units.codes)
    return place < share * units.sizes[units.codes]


@given(count=st.integers(0, 300), rows=st.integers(300, 4000))
@settings(max_examples=20, deadline=None)
def test_of_independent_rows_it_is_wilsons_interval(count: int, rows: int):
    """If each row is a unit the interval is the one that SciPy has of a binomial share."""
    share = share_of(np.arange(rows) < count, single_rows(rows))
    sure = share.beside(share)
    assert sure is not None and sure.rows == rows
    known = binomtest(count, rows).proportion_ci(0.95, method="wilson")
    assert share.interval(sure, TWO_SIDED) == pytest.approx((known.low, known.high), abs=1e-3)


@given(seed=st.integers(0, 10_000), likely=st.floats(0.02, 0.98), spread=st.floats(0, 1), known=st.booleans())
@settings(max_examples=40, deadline=None)
def test_units_never_make_it_surer(seed: int, likely: float, spread: float, known: bool):
    """However rows lie on days, the interval by day holds the one by row."""
    random = np.random.default_rng(seed)
    sides = []
    for count in (random.integers(10, 40), random.integers(2, 40)):
        units = days(int(count), 30)
        of_day = np.where(random.random(units.count) < spread, random.random(units.count) < likely, likely)
        sides.append((random.random(len(units.codes)) < of_day[units.codes], units))
    (before, units), (now, served) = sides
    by_unit = rise(share_of(now, served), share_of(before, units if known else None), 0.99)
    by_row = rise(share_of(now, single_rows(len(now))), share_of(before, single_rows(len(before))), 0.99)
    if by_unit.known:
        assert by_unit.interval[0] <= by_row.interval[0] + 1e-9
        assert by_unit.interval[1] >= by_row.interval[1] - 1e-9
        assert by_unit.rows <= len(now)


def test_what_never_varied_is_no_certainty():
    """A column that lacked no value on 72 days is as unsure as the window's days: of whole days each counts as one."""
    units, served = days(72, 100), days(30, 100)
    before = np.zeros(len(units.codes), dtype=bool)
    whole_days, all_days = served.codes % 10 == 0, having(served, 0.1)
    clustered, even = (
        rise(share_of(now, served), share_of(before, units), 0.99) for now in (whole_days, all_days)
    )
    assert clustered.figure == even.figure == pytest.approx(0.1)
    assert clustered.interval[0] < 0
    assert even.interval[0] > 0.08
    assert clustered.rows == pytest.approx(30, rel=0.2)
    assert even.rows == len(served.codes)


def test_nobody_knows_how_alike_rows_are_if_nothing_varies():
    """All missing beside nothing missing: the rise is all of it, and the rows do not show how alike they are."""
    found = rise(
        share_of(np.ones(50, dtype=bool), days(5, 10)), share_of(np.zeros(50, dtype=bool), days(5, 10)), 0.99
    )
    assert (found.figure, found.known) == (1.0, False)


def test_few_units_borrow_from_many():
    """Two days tell nothing of days; the reference's thirty do, so that its spread is the window's."""
    random = np.random.default_rng(0)
    units, served = days(30, 200), days(2, 200)
    before = random.random(len(units.codes)) < random.beta(0.5, 2, 30)[units.codes]
    now = having(served, 0.5)
    alone = rise(share_of(now, served), share_of(before, None), 0.99)
    beside = rise(share_of(now, served), share_of(before, units), 0.99)
    assert beside.rows < alone.rows / 4
    assert beside.interval[0] > alone.interval[0]


def test_what_is_once_by_row_is_good_and_turings():
    """Of independent rows the expected share is of the values that stand there once, with Esty's error."""
    share, lone = lone_share(pd.Series(["a", "b", "b", "c", "d", "d", "d", "d"]), single_rows(8))
    assert (share.share, lone.tolist()) == (2 / 8, [True, False, False, True, *[False] * 4])
    sure = share.beside(share)
    assert sure is not None
    variance = (2 * (1 - 2 / 8) + 2 * 1) / 8**2
    assert sure.rows == pytest.approx(0.25 * 0.75 / variance)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_what_is_once_by_unit_is_what_other_units_do_not_hold(seed: int):
    """The rows that count are those whose value no other unit holds, whichever way they are found."""
    random = np.random.default_rng(seed)
    units = Units(np.sort(np.r_[np.arange(40), random.integers(40, size=160)]), "entity")
    values = pd.Series(random.integers(60, size=200))
    _, lone = lone_share(values, units)
    expected = [
        not values[units.codes != code].eq(value).any()
        for value, code in zip(values, units.codes, strict=True)
    ]
    assert lone.tolist() == expected


def test_its_error_is_the_jackknifes():
    """The variance of the share is what comes of leaving out one unit after the other."""
    random = np.random.default_rng(1)
    units = Units(np.repeat(np.arange(50), 8), "entity")
    own = random.random(400) < 0.3
    values = pd.Series(
        np.where(
            own, 100 + units.codes // random.integers(1, 3, 50)[units.codes], random.integers(20, size=400)
        )
    )
    share, _ = lone_share(values, units)
    without = []
    for code in range(50):
        kept = units.codes != code
        part = lone_share(values[kept].reset_index(drop=True), units.take(kept))[0]
        without.append(part.share)
    variance = 49 / 50 * float(np.sum((np.array(without) - np.mean(without)) ** 2))
    assert share.design is not None
    found = share.design * share.share * (1 - share.share) / 400
    assert found == pytest.approx(variance, rel=0.15)


def test_broken_are_runs_of_neighbouring_periods():
    """Two days that lack all count together, a day alone of too few rows does not, and customers have no neighbours."""
    units = days(8, 30)
    truth = np.isin(units.codes, [1, 5, 6])
    rows, count = broken_rows(truth, units, 1.0, 50)
    assert (count, sorted(set(units.codes[rows]))) == (2, [5, 6])
    assert broken_rows(truth, units, 1.0, 20)[1] == 3
    customers = Units(units.codes, "entity")
    assert broken_rows(truth, customers, 1.0, 20)[1] == 0
    assert broken_rows(np.ones(240, dtype=bool), customers, 1.0, 20)[1] == 8


def test_the_most_frequent_value_of_each_unit():
    """Its share is known of each unit by itself."""
    units = Units(np.array([0, 0, 0, 0, 1, 1]), "day")
    assert modal_shares(pd.Series(list("aabcdd")), units).tolist() == [0.5, 1.0]


def test_no_rows_tell_nothing():
    """Without a row on one side everything is possible."""
    none = share_of(np.zeros(0, dtype=bool), days(0, 0))
    some = share_of(np.zeros(9, dtype=bool), days(3, 3))
    assert rise(none, some, 0.9).interval == rise(some, none, 0.9).interval == (-1.0, 1.0)
    assert lone_share(pd.Series([], dtype=object), None)[0].rows == 0
