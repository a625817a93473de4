import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from regrow.decisions.quality import judge_quality
from regrow.project import QualityRule

RULE = QualityRule(missing=0.05, unseen=0.1)
REFERENCE = pd.DataFrame({"temp": np.arange(1000.0), "carrier": ["AA", "UA"] * 500})


def failures(current: pd.DataFrame) -> list[str]:
    return [finding.rule for finding in judge_quality(REFERENCE, current, RULE) if not finding.passed]


def test_the_reference_itself_passes():
    """Rows like the reference raise no alarm."""
    assert failures(REFERENCE) == []


def test_a_risen_missing_share_fails():
    """A column that lost a fifth of its values fails, and only that column."""
    current = REFERENCE.assign(temp=REFERENCE["temp"].where(REFERENCE.index % 5 > 0))
    assert failures(current) == ["missing values of temp at most 0.05 above the reference"]


def test_what_was_missing_before_is_no_rise():
    """A column that lacked values in the reference already passes with as many lacking."""
    holes = REFERENCE.assign(temp=REFERENCE["temp"].where(REFERENCE.index % 2 > 0))
    assert all(finding.passed for finding in judge_quality(holes, holes, RULE))


def test_a_lost_column_is_all_missing():
    """A column that is not served at all counts as missing in every row."""
    found = judge_quality(REFERENCE, REFERENCE.drop(columns="temp"), RULE)
    assert [finding.figure for finding in found if not finding.passed] == [1.0]


def test_unseen_categories_are_named():
    """A category that the reference lacks fails beyond its share, and the finding says which."""
    current = REFERENCE.assign(carrier=["ZZ"] * 300 + ["AA"] * 700)
    failed = [finding for finding in judge_quality(REFERENCE, current, RULE) if not finding.passed]
    assert [finding.figure for finding in failed] == [0.3]
    assert "ZZ" in failed[0].detail


def test_a_few_rows_do_not_alarm():
    """One missing value in four is within the Wilson interval, so nothing fails."""
    assert failures(pd.DataFrame({"temp": [None, 1.0, 2.0, 3.0], "carrier": ["AA"] * 4})) == []


@given(order=st.permutations(range(40)))
def test_row_order_changes_nothing(order: list[int]):
    """The findings do not depend on the order of the rows."""
    current = pd.DataFrame({"temp": [None, 1.0] * 20, "carrier": ["ZZ", "AA", "YY", None] * 10})
    assert judge_quality(REFERENCE, current.iloc[order], RULE) == judge_quality(REFERENCE, current, RULE)
