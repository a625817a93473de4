import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.decisions.quality import judge_quality
from regrow.project import QualityRule

RULE = QualityRule(missing=0.05, unseen=0.1)
REFERENCE = pd.DataFrame({"temp": np.arange(1000.0), "carrier": ["AA", "UA"] * 500})


def failures(current: pd.DataFrame) -> list[str]:
    return [finding.rule for finding in judge_quality(REFERENCE, current, RULE) if finding.failed]


def test_the_reference_itself_passes():
    """Rows like the reference raise no alarm."""
    assert failures(REFERENCE) == []


def test_a_risen_missing_share_fails():
    """A column that lost a fifth of its values fails, and only that column."""
    current = REFERENCE.assign(temp=REFERENCE["temp"].where(REFERENCE.index % 5 > 0))
    assert failures(current) == ["missing values of temp at most 0.05 above the reference"]
    found = judge_quality(REFERENCE, current, RULE)[0]
    assert (found.rows, found.units, found.unit, found.effective_rows) == (1000, 1000, "row", None)


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


def draw(rows: int, seed: int, kinds: int = 5000) -> pd.DataFrame:
    """Draw rows of a column whose categories are the rarer the later, as codes and names are in tables."""
    shares = 1 / np.arange(1, kinds + 1)
    drawn = np.random.default_rng(seed).choice(kinds, rows, p=shares / shares.sum())
    return pd.DataFrame({"place": pd.Series(drawn).map("p{}".format)})


def test_what_a_sample_misses_of_many_rare_categories_is_expected():
    """Of a column that has not changed some values are always new: at most one window in twenty fails, at any limit.

    Without what is expected each would: more than a fifth of the values are new, at a limit of a fiftieth.
    """
    rule = QualityRule(unseen=0.02)
    failed = shares = 0
    for seed in range(60):
        found = judge_quality(draw(2000, seed), draw(1000, 1000 + seed), rule)[1]
        failed += found.failed
        shares += float(found.detail.split()[1]) / 1000 > 0.2
    assert failed <= 3
    assert shares == 60


def test_a_new_category_among_rare_ones_fails():
    """What comes on top of the expected is found, and the finding says both."""
    current = draw(1000, 7)
    current.loc[:299, "place"] = "closed"
    found = judge_quality(draw(2000, 1), current, QualityRule())[1]
    assert found.failed
    assert "expected of such a column" in found.detail
    assert found.interval is not None
    assert found.interval[0] > 0.1


def test_a_column_in_which_no_value_recurs_is_no_fault():
    """Numbers of tickets are new each time: that is what is expected of them."""
    before = pd.DataFrame({"ticket": [f"t{number}" for number in range(500)]})
    after = pd.DataFrame({"ticket": [f"t{number}" for number in range(500, 1000)]})
    assert judge_quality(before, after, QualityRule())[1].passed
    broken = after.assign(ticket="NULL")
    assert judge_quality(before, broken, QualityRule())[1].failed


@pytest.mark.parametrize("kinds", [50, 5_000, 500_000])
def test_a_column_that_breaks_as_a_whole_fails(kinds: int):
    """All values written otherwise, or all the same new one: found however many of them were expected to be new."""
    before, after = draw(2000, 1, kinds), draw(1000, 2, kinds)
    assert judge_quality(before, after, QualityRule())[1].passed
    for broken in (after["place"].str.upper(), pd.Series("NULL", index=after.index)):
        assert judge_quality(before, after.assign(place=broken), QualityRule())[1].failed


def test_a_reference_of_a_few_rows_tells_nothing():
    """Of eight rows nobody knows what a column holds."""
    found = judge_quality(draw(8, 1), draw(1000, 2).assign(place="Q"), QualityRule())[1]
    assert found.undecided
    assert "8 of 50 rows" in found.detail


def test_a_few_rows_do_not_alarm():
    """Of four rows too little is told: nothing fails, and nothing passes."""
    few = pd.DataFrame({"temp": [None, 1.0, 2.0, 3.0], "carrier": ["AA"] * 4})
    assert failures(few) == []
    assert all(finding.undecided for finding in judge_quality(REFERENCE, few, RULE))


@given(order=st.permutations(range(40)))
@settings(deadline=None)
def test_row_order_changes_nothing(order: list[int]):
    """The findings do not depend on the order of the rows."""
    current = pd.DataFrame({"temp": [None, 1.0] * 20, "carrier": ["ZZ", "AA", "YY", None] * 10})
    assert judge_quality(REFERENCE, current.iloc[order], RULE) == judge_quality(REFERENCE, current, RULE)


@given(
    rows=st.integers(1, 3000),
    limit=st.sampled_from([0.0, 0.001, 0.05]),
    least=st.sampled_from([1, 50]),
    column=st.sampled_from(["temp", "carrier"]),
)
@settings(max_examples=40, deadline=None)
def test_a_single_value_never_alarms(rows: int, limit: float, least: int, column: str):
    """One missing value, or one that the reference lacks, fails nothing, however few or many rows there are."""
    rule = QualityRule(missing=limit, unseen=limit, least_rows=least)
    current = pd.DataFrame({"temp": np.arange(float(rows)), "carrier": ["AA"] * rows})
    current.loc[0, column] = None
    assert not [each for each in judge_quality(REFERENCE, current, rule) if each.failed]
    if column == "carrier":
        current.loc[0, column] = "ZZ"
        assert not [each for each in judge_quality(REFERENCE, current, rule) if each.failed]


def test_below_the_least_rows_nothing_is_told():
    """With fewer rows than the rule asks for every finding is undecided, and says how many there are."""
    current = pd.DataFrame({"temp": [None] * 9, "carrier": ["ZZ"] * 9})
    found = judge_quality(REFERENCE, current, RULE.model_copy(update={"least_rows": 10}))
    assert [finding.result for finding in found] == ["undecided"] * 3
    assert "9 of 10 rows" in found[0].detail
    enough = judge_quality(REFERENCE, current, RULE.model_copy(update={"least_rows": 9}))
    assert [finding.result for finding in enough] == ["fail", "pass", "fail"]


def test_the_share_of_the_reference_is_an_estimate():
    """A rise is held against what the reference itself leaves open: three rows of six prove no limit broken."""
    few = pd.DataFrame({"temp": [1.0] * 6})
    current = pd.DataFrame({"temp": [None] * 20 + [1.0] * 80})
    assert not judge_quality(few, current, RULE)[0].failed
    assert judge_quality(REFERENCE, current, RULE)[0].failed
