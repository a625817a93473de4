"""Which rows train and which are held out."""

from datetime import timedelta
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from regrow.base.errors import DataError
from regrow.decisions.splitting import check_target, split_rows
from regrow.project import GroupSplit, RandomSplit, Split, StratifiedSplit, TimeSplit

ROWS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 5), st.booleans()), min_size=2, max_size=60)
SHARE = st.floats(0.05, 0.9)
SPLITS: dict[str, dict[str, Any]] = {"random": {}, "stratified": {}, "group": {"column": "group"}, "time": {}}
KINDS: dict[str, type[Split]] = {
    "random": RandomSplit,
    "stratified": StratifiedSplit,
    "group": GroupSplit,
    "time": TimeSplit,
}


def frame_of(rows: list[tuple[int, int, bool]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["day", "group", "target"])
    return frame.assign(at=pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(frame["day"], unit="D"))


def halves(frame: pd.DataFrame, kind: str, holdout: float, seed: int) -> tuple[Any, Any]:
    splitting = KINDS[kind].model_validate({"kind": kind, "holdout": holdout, **SPLITS[kind]})
    try:
        return split_rows(frame, splitting, "target", "at", seed)
    except (
        DataError
    ):  # Few rows, one group or one moment cannot always be split; that is an error, not a law.
        assume(False)
        raise


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, kind=st.sampled_from(sorted(KINDS)), holdout=SHARE, seed=st.integers(0, 99))
def test_parts_are_disjoint_and_together_all(
    rows: list[tuple[int, int, bool]], kind: str, holdout: float, seed: int
) -> None:
    """Whatever the split, each row is in one part, no part is empty, and the same seed gives the same parts."""
    frame = frame_of(rows)
    training, held = halves(frame, kind, holdout, seed)
    assert sorted([*training, *held]) == list(range(len(frame)))
    assert len(training)
    assert len(held)
    again = halves(frame, kind, holdout, seed)
    np.testing.assert_array_equal(training, again[0])
    np.testing.assert_array_equal(held, again[1])


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, holdout=SHARE)
def test_a_time_split_never_mixes_a_moment(rows: list[tuple[int, int, bool]], holdout: float) -> None:
    """Every training row is older than every row held out, in whatever order the rows come."""
    frame = frame_of(rows)
    training, held = halves(frame, "time", holdout, 0)
    assert frame["at"].iloc[training].max() < frame["at"].iloc[held].min()


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, holdout=SHARE, seed=st.integers(0, 99))
def test_a_group_split_never_splits_a_group(
    rows: list[tuple[int, int, bool]], holdout: float, seed: int
) -> None:
    """The rows of a group are on one side."""
    frame = frame_of(rows)
    training, held = halves(frame, "group", holdout, seed)
    assert not set(frame["group"].iloc[training]) & set(frame["group"].iloc[held])


@settings(max_examples=60, deadline=None)
@given(
    rows=ROWS,
    added=st.lists(st.tuples(st.integers(0, 8), st.integers(6, 9), st.booleans()), max_size=20),
    order=st.randoms(use_true_random=False),
    holdout=SHARE,
    seed=st.integers(0, 99),
)
def test_a_group_keeps_its_side(
    rows: list[tuple[int, int, bool]],
    added: list[tuple[int, int, bool]],
    order: Random,
    holdout: float,
    seed: int,
) -> None:
    """Neither further groups, nor further rows of a group, nor the order of the rows move a group over."""
    before = held_groups(frame_of(rows), holdout, seed)
    more = [*rows, *added, *rows[::2]]
    order.shuffle(more)
    assert held_groups(frame_of(more), holdout, seed) - set(range(6, 10)) == before


def held_groups(frame: pd.DataFrame, holdout: float, seed: int) -> set[int]:
    _, held = halves(frame, "group", holdout, seed)
    return set(frame["group"].iloc[held])


@settings(max_examples=30, deadline=None)
@given(holdout=SHARE, seed=st.integers(0, 9999))
def test_a_group_split_holds_out_the_asked_share(holdout: float, seed: int) -> None:
    """Of 2,000 groups about the asked share is held out: within five standard errors of a draw one by one."""
    frame = pd.DataFrame({"group": [f"customer {number}" for number in range(2000)], "target": 0})
    _, held = halves(frame, "group", holdout, seed)
    assert abs(len(held) / 2000 - holdout) < 5 * (holdout * (1 - holdout) / 2000) ** 0.5


def test_a_group_keeps_its_side_when_its_column_gets_gaps() -> None:
    """Whole numbers that one missing value turns into floats name the same groups; rows without one are a group."""
    frame = pd.DataFrame({"group": range(40), "target": 0})
    gaps = pd.concat([frame, pd.DataFrame({"group": [np.nan] * 2, "target": [0, 0]})], ignore_index=True)
    assert gaps["group"].dtype == np.float64
    held = held_groups(gaps, 0.3, 1)
    assert {group for group in held if not np.isnan(group)} == held_groups(frame, 0.3, 1)
    training, out = split_rows(gaps, GroupSplit(kind="group", column="group", holdout=0.3), "target", None, 1)
    assert {40, 41} <= set(training) or {40, 41} <= set(out)


def test_a_stratified_split_keeps_the_shares() -> None:
    """Each part holds the classes in the shares of the whole."""
    frame = pd.DataFrame({"target": [0] * 80 + [1] * 20})
    training, held = split_rows(frame, StratifiedSplit(kind="stratified", holdout=0.25), "target", None, 0)
    assert (len(training), frame["target"].iloc[training].mean()) == (75, 0.2)
    assert (len(held), frame["target"].iloc[held].mean()) == (25, 0.2)


@pytest.mark.parametrize(
    ("splitting", "message"),
    [
        (TimeSplit(kind="time"), "leave 0 for training and 3 held out"),
        (
            GroupSplit(kind="group", column="group"),
            "cannot be split by `group`: with seed 0 .* all of the 1 group of column `group`",
        ),
        (GroupSplit(kind="group", column="nope"), r"data\.split\.column: the data has no column `nope`"),
        (StratifiedSplit(kind="stratified"), "cannot be split by `stratified`"),
    ],
)
def test_rows_that_cannot_be_split_are_an_error(splitting: Split, message: str) -> None:
    """One moment, one group, an unknown column or a class with one row says what is wrong."""
    frame = frame_of([(1, 1, True), (1, 1, True), (1, 1, False)])
    with pytest.raises(DataError, match=message):
        split_rows(frame, splitting, "target", "at", 0)


@pytest.mark.parametrize(
    ("target", "message"),
    [([1, None, 0], "1 of 3 rows have no target"), ([1, 1, 1], "every one of 3 rows is 1; a model needs")],
)
def test_a_useless_target_is_an_error(target: list[int | None], message: str) -> None:
    """A target that is unknown in a row, or of one class only, says so."""
    with pytest.raises(DataError, match=message):
        check_target(pd.DataFrame({"late": target}), "late")


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_target_is_named(value: float) -> None:
    """A target that is infinite in a row is an error with the column, the row, their number, and what to do."""
    frame = pd.DataFrame({"price": [1.0, value, 2.0, value]})
    with pytest.raises(
        DataError, match=r"column `price`: 2 of 4 rows are infinite, the first is row 1; .*quarantine"
    ):
        check_target(frame, "price")


def test_a_target_of_lists_is_named() -> None:
    """A target that is no single value is an error with the column."""
    with pytest.raises(DataError, match=r"column `price`: holds list, not single values"):
        check_target(pd.DataFrame({"price": [[1], [2]]}), "price")


def test_a_share_may_be_of_the_newest_rows_alone() -> None:
    """Of 100 days a fifth of the newest 10 is held out, all older rows train; without a bound it is a fifth of all."""
    frame = pd.DataFrame({"at": pd.date_range("2024-01-01", periods=100, tz="UTC"), "target": [0, 1] * 50})
    split = TimeSplit(kind="time", holdout=0.2)
    training, holdout = split_rows(frame, split, "target", "at", 0, timedelta(days=9))
    assert (len(training), len(holdout)) == (98, 2)
    training, holdout = split_rows(frame, split, "target", "at", 0)
    assert (len(training), len(holdout)) == (80, 20)


def test_a_time_may_be_held_out() -> None:
    """The rows of the newest ten days judge, however many others there are; a longer time leaves nothing to train."""
    frame = pd.DataFrame({"at": pd.date_range("2024-01-01", periods=100, tz="UTC"), "target": [0, 1] * 50})
    split = TimeSplit(kind="time", holdout=timedelta(days=10))
    training, holdout = split_rows(frame, split, "target", "at", 0)
    assert (len(training), holdout.tolist()) == (89, list(range(89, 100)))
    with pytest.raises(DataError, match="leave 0 for training"):
        split_rows(frame, TimeSplit(kind="time", holdout=timedelta(days=100)), "target", "at", 0)
