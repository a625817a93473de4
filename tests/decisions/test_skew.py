"""Which values of a row differ between what was served and what the source says."""

import pandas as pd
import pytest

from regrow.decisions.skew import differs, judge_skew, skew_by_column

DAY = pd.Timestamp("2024-01-01")


@pytest.mark.parametrize(
    ("served", "given", "differ"),
    [
        ([1.0, None, 2.0, None], [1, 3, 2.5, None], [False, True, True, False]),
        ([0.1 + 0.2, 1e-300], [0.3, 2e-300], [False, True]),
        (["red", None, ""], ["red", None, "blue"], [False, False, True]),
        ([True, None, False], [True, None, True], [False, False, True]),
        ([DAY, DAY], [DAY, DAY + pd.Timedelta(1, "s")], [False, True]),
        ([1.0, 2.0], ["1.0", "x"], [False, True]),
        ([], [], []),
    ],
    ids=["numbers", "rounding", "text", "booleans", "dates", "other types", "nothing"],
)
def test_values_that_mean_the_same_do_not_differ(
    served: list[object], given: list[object], differ: list[bool]
) -> None:
    """A gap is equal to a gap alone, numbers up to the last bits, moments in any time zone."""
    assert differs(pd.Series(served), pd.Series(given)).tolist() == differ


def test_moments_are_compared_in_utc() -> None:
    """What was logged has a zone, what a model takes has none."""
    moments = pd.Series([DAY, DAY])
    assert not differs(moments.dt.tz_localize("UTC"), moments.astype("datetime64[ns]")).any()


def test_the_share_is_of_the_rows_in_both() -> None:
    """Each column of both frames has the share of its rows that differ."""
    served = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "colour": list("rrgg"), "gone": 0})
    given = pd.DataFrame({"size": [1.0, 2.0, 3.0, 5.0], "colour": list("rrgg")})
    assert skew_by_column(served, given) == {"size": 0.25, "colour": 0.0}
    assert skew_by_column(served[:0], given[:0]) == {}


@pytest.mark.parametrize(("limit", "result"), [(None, "pass"), (0.3, "pass"), (0.2, "fail")])
def test_skew_fails_only_beyond_a_limit_of_the_file(limit: float | None, result: str) -> None:
    """Without a limit it is recorded; the columns that differ most are named first."""
    found = judge_skew({"size": 0.1, "same": 0.0, "colour": 0.25}, 80, 100, limit)
    assert (found.result, found.figure, found.subject) == (result, 0.25, "quality")
    assert found.detail == (
        "served and source differ: `colour` in 25.0%, `size` in 10.0% (80 of 100 served rows are in the source)"
    )


def test_nothing_to_compare_is_said() -> None:
    """No row in common passes, and says so."""
    found = judge_skew({}, 0, 7, 0.1)
    assert (found.result, found.detail) == (
        "pass",
        "nothing to compare (0 of 7 served rows are in the source)",
    )
