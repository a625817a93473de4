"""Which columns drifted, and what is made of it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from regrow.decisions.drift import Move, drift_share, find_drifted, judge_data_drift, judge_prediction_drift
from regrow.decisions.units import Units
from regrow.project import DriftRule

RULE = DriftRule(least_rows=100)
MOVES = st.dictionaries(
    st.text(min_size=1),
    st.builds(Move, figure=st.floats(0, 10), limit=st.just(0.2), doubt=st.floats(0, 1)),
    max_size=20,
)


def moves(**figures: float) -> dict[str, Move]:
    """Return moves that chance does not explain."""
    return {name: Move(figure, 0.2, 1e-9) for name, figure in figures.items()}


def test_columns_are_named_farthest_first():
    """Columns at or beyond the threshold that chance does not explain are named, the farthest first."""
    found = moves(a=0.2, b=0.19, c=3.0) | {"weather": Move(5.0, 0.2, 0.3)}
    assert find_drifted(found, 0.05) == ("c", "a")


def test_many_columns_ask_for_more():
    """What one column alone would prove, one of a hundred does not; if many move together less is asked of each."""
    alone = {"a": Move(1.0, 0.2, 0.04)}
    still = {f"s{place}": Move(0.1, 0.2) for place in range(99)}
    assert find_drifted(alone, 0.05) == ("a",)
    assert find_drifted(alone | still, 0.05) == ()
    assert len(find_drifted({f"m{place}": Move(1.0, 0.2, 0.009) for place in range(100)}, 0.05)) == 100


def test_one_column_is_enough_unless_the_file_names_a_share():
    """A drifted column fails the finding; with a share, which files of before 0.4 have, so many of them must."""
    found = moves(a=0.3, b=0.1, c=0.1)
    assert judge_data_drift(found, ("a",), 100, RULE).failed
    of_days = judge_data_drift(found, ("a",), 100, RULE, units=Units(np.arange(100) // 5, "day"))
    assert (of_days.rows, of_days.units, of_days.unit) == (100, 20, "day")
    assert judge_data_drift(found, ("a",), 100, RULE.model_copy(update={"share": 0.5})).passed
    assert judge_data_drift(found, ("a",), 100, RULE.model_copy(update={"share": 0.3})).failed


def test_drift_is_noted_unless_the_file_lets_it_alarm():
    """By itself drift decides nothing; `alarm: true` makes it an alarm."""
    alarming = RULE.model_copy(update={"alarm": True})
    for rule, noted in ((RULE, True), (alarming, False)):
        assert judge_data_drift(moves(a=0.3), ("a",), 100, rule).noted == noted
        assert judge_prediction_drift(Move(0.5, 0.2), True, 100, 0.2, rule).noted == noted


def test_what_was_compared_with_is_told():
    """Drift beyond the windows of the past says so, and drift beyond a floor says that it is one, and why."""
    assert (
        "beyond what windows of the model's own past show"
        in judge_data_drift(moves(a=0.3), ("a",), 100, RULE).detail
    )
    floor = judge_prediction_drift(Move(0.5, 0.2), True, 100, 0.2, RULE, "9 days of 10")
    assert floor.detail == "psi of the predictions 0.50, beyond a floor only: 9 days of 10"


def test_too_few_rows_are_undecided():
    """Distances of a few rows are noise: the finding is undecided and says why."""
    finding = judge_data_drift(moves(a=9.0), ("a",), 99, RULE)
    assert finding.undecided
    assert finding.detail == "99 of 100 rows"


def test_no_columns_are_undecided():
    """Without a column to compare the finding is undecided and says so."""
    finding = judge_data_drift({}, (), 1000, RULE)
    assert finding.undecided
    assert finding.detail == "no column has values on both sides"
    given = judge_data_drift({}, (), 1000, RULE.model_copy(update={"context": ("temp",)}))
    assert given.detail == "every column is given as context"


def test_no_predictions_of_the_champion_are_undecided():
    """When the champion served no row of the window, nobody can tell whether its predictions drifted."""
    assert judge_prediction_drift(None, False, 0, 0.5, RULE).undecided


@given(found=MOVES)
def test_column_order_changes_nothing(found: dict[str, Move]):
    """What drifted does not depend on the order of the columns."""
    assert find_drifted(found, 0.05) == find_drifted(dict(reversed(found.items())), 0.05)


@given(found=MOVES, more=st.floats(0, 10))
def test_a_farther_column_never_heals(found: dict[str, Move], more: float):
    """Moving every column farther never lowers the share."""
    farther = {name: Move(move.figure + more, move.limit, move.doubt) for name, move in found.items()}
    shares = [drift_share(each, find_drifted(each, 0.5)) for each in (found, farther)]
    assert shares[1] >= shares[0]
