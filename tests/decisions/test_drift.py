from hypothesis import given
from hypothesis import strategies as st

from regrow.decisions.drift import drift_share, drifted_columns, judge_data_drift, judge_prediction_drift
from regrow.project import DriftRule

RULE = DriftRule(threshold=0.2, share=0.5, least_rows=100)
DISTANCES = st.dictionaries(st.text(min_size=1), st.floats(0, 10), max_size=20)


def test_columns_are_named_farthest_first():
    """The columns at or beyond the threshold are named, the farthest first."""
    assert drifted_columns({"a": 0.2, "b": 0.19, "c": 3.0}, RULE) == ("c", "a")


def test_the_share_decides():
    """Half the columns drifted fails a limit of a half; fewer passes."""
    assert not judge_data_drift({"a": 0.3, "b": 0.1}, 100, RULE).passed
    assert judge_data_drift({"a": 0.3, "b": 0.1, "c": 0.1}, 100, RULE).passed


def test_too_few_rows_are_undecided():
    """Distances of a few rows are noise: the finding is undecided and says why."""
    finding = judge_data_drift({"a": 9.0}, 99, RULE)
    assert finding.undecided
    assert finding.detail == "99 of 100 rows"


def test_no_columns_are_undecided():
    """Without a column to compare the finding is undecided and says so."""
    finding = judge_data_drift({}, 1000, RULE)
    assert finding.undecided
    assert finding.detail == "no column has values on both sides"


def test_predictions_are_judged_by_their_own_threshold():
    """The predictions' distance is held against its own limit."""
    assert judge_prediction_drift(0.4, 100, 0.5, RULE).passed
    assert not judge_prediction_drift(0.5, 100, 0.5, RULE).passed


def test_no_predictions_of_the_champion_are_undecided():
    """When the champion served no row of the window, nobody can tell whether its predictions drifted."""
    assert judge_prediction_drift(None, 0, 0.5, RULE).undecided


@given(distances=DISTANCES)
def test_column_order_changes_nothing(distances: dict[str, float]):
    """The finding does not depend on the order of the columns."""
    turned = dict(reversed(distances.items()))
    assert judge_data_drift(distances, 500, RULE) == judge_data_drift(turned, 500, RULE)


@given(distances=DISTANCES, more=st.floats(0, 10))
def test_a_farther_column_never_heals(distances: dict[str, float], more: float):
    """Moving every column farther never lowers the share."""
    farther = {name: distance + more for name, distance in distances.items()}
    assert drift_share(farther, RULE) >= drift_share(distances, RULE)
