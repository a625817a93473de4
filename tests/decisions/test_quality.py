import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regrow.base.verdict import count_units
from regrow.decisions.quality import judge_quality
from regrow.decisions.units import Units
from regrow.project import QualityRule, Unit

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
    days=st.integers(0, 20),
)
@settings(max_examples=40, deadline=None)
def test_a_single_value_never_alarms(rows: int, limit: float, least: int, column: str, days: int):
    """One missing value, or one that the reference lacks, fails nothing, however few or many rows and days it has."""
    units, served = (
        Units(np.arange(count) * days // count, "day") if days else None for count in (1000, rows)
    )
    rule = QualityRule(missing=limit, unseen=limit, least_rows=least)
    current = pd.DataFrame({"temp": np.arange(float(rows)), "carrier": ["AA"] * rows})
    current.loc[0, column] = None
    assert not [each for each in judge_quality(REFERENCE, current, rule, units, served) if each.failed]
    if column == "carrier":
        current.loc[0, column] = "ZZ"
        assert not [each for each in judge_quality(REFERENCE, current, rule, units, served) if each.failed]


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


def by_day(count: int, each: int = 100) -> Units:
    """Return *count* days of *each* rows."""
    return Units(np.repeat(np.arange(count), each), "day")


def weather(units: Units, seed: int) -> pd.DataFrame:
    """Draw a column that each day lacks in a share of its own, as a sensor does in storms."""
    random = np.random.default_rng(seed)
    shares = random.beta(0.5, 3.5, units.count)
    return pd.DataFrame(
        {"pressure": np.where(random.random(len(units.codes)) < shares[units.codes], np.nan, 1.0)}
    )


def test_days_that_differ_are_no_broken_feed():
    """Nothing changes but which days come: by day one look in twenty fails, by row a third of them."""
    rule, units, served = QualityRule(missing=0), by_day(72), by_day(14)
    failed = {"day": 0, "row": 0}
    for seed in range(100):
        before, now = weather(units, seed), weather(served, 1000 + seed)
        failed["day"] += judge_quality(before, now, rule, units, served, 0.05)[0].failed
        failed["row"] += judge_quality(before, now, rule)[0].failed
    assert failed["day"] <= 9
    assert failed["row"] >= 25


def test_a_hundred_columns_share_the_level():
    """However many columns there are, one look in twenty fails if none has changed; judged one by one, most do."""
    rule, failed = QualityRule(missing=0), {"shared": 0, "each": 0}
    for seed in range(12):
        random = np.random.default_rng(seed)
        before, now = (pd.DataFrame(np.where(random.random((500, 100)) < 0.2, np.nan, 1.0)) for _ in range(2))
        for name, level in (("shared", 0.05), ("each", 0.025 * 100)):
            failed[name] += any(each.failed for each in judge_quality(before, now, rule, level=level))
    assert failed["shared"] <= 2
    assert failed["each"] >= 6


@pytest.mark.parametrize("unit", ["hour", "day", "week", "entity", "request"])
@pytest.mark.parametrize(("units", "served"), [(1, 1), (30, 1), (1, 3), (30, 3), (None, 1)])
def test_a_column_that_is_gone_fails_at_once(unit: Unit, units: int | None, served: int):
    """One unit of each side is enough, known or not, among a hundred columns."""
    before = pd.DataFrame(1.0, index=range(900), columns=[f"c{place}" for place in range(100)])
    now = before.head(300).assign(c7=np.nan)
    known = None if units is None else Units(np.arange(900) * units // 900, unit)
    found = judge_quality(before, now, RULE, known, Units(np.arange(300) * served // 300, unit), 0.01)
    assert [each.detail for each in found if not each.passed] == [
        f"c7: 100.0% missing, 0.0% in the reference; {count_units(served, unit)} like none in the reference"
    ]


@pytest.mark.parametrize("share", [1.0, 0.8])
def test_a_feed_that_breaks_today_fails_today(share: float):
    """The newest of 14 days lacks the column as no day did: nobody waits until days enough have failed."""
    units, served = by_day(72), by_day(14, 1000)
    before = pd.DataFrame({"temp": np.ones(7200)})
    lost = (served.codes == 13) & (np.arange(14_000) % 100 < share * 100)
    now = pd.DataFrame({"temp": np.where(lost, np.nan, 1.0)})
    found = judge_quality(before, now, RULE, units, served, 0.01)[0]
    assert found.failed
    assert "1 day like none in the reference" in found.detail
    stormy = before.assign(temp=np.where(units.codes == 20, np.nan, 1.0))
    assert judge_quality(stormy, now, RULE, units, served, 0.01)[0].passed


def test_few_units_leave_open_what_rows_would_prove():
    """A fifth is missing on the one day there is, and the reference is a day too: undecided, and it says why."""
    before, now = pd.DataFrame({"temp": np.ones(500)}), pd.DataFrame({"temp": [np.nan, *[1.0] * 4] * 100})
    found = judge_quality(before, now, RULE, by_day(1, 500), by_day(1, 500))[0]
    assert found.undecided
    assert found.detail.endswith("1 day of 10 that it takes to tell")
    assert judge_quality(before, before, RULE, by_day(1, 500), by_day(1, 500))[0].passed
    week = by_day(7, 500)
    found = judge_quality(before, pd.concat([now] * 7, ignore_index=True), RULE, by_day(1, 500), week)[0]
    assert found.failed, "seven days that lack the same are proof"


def test_a_finding_says_what_it_counts():
    """It names rows, units, the rows that would be as sure, and the level that is left for one question."""
    units, served = by_day(72), by_day(14)
    found = judge_quality(weather(units, 1), weather(served, 2), RULE, units, served, 0.05)[0]
    assert (found.rows, found.units, found.unit, found.confidence) == (1400, 14, "day", 0.95)
    assert found.effective_rows is not None
    assert 5 < found.effective_rows < 300
    texts = judge_quality(REFERENCE, REFERENCE, RULE, level=0.04)
    assert {each.confidence for each in texts} == {0.99}, "missing twice, new values, and one of them alone"


def test_values_that_each_customer_brings_are_no_fault():
    """New customers bring codes of their own: expected of customers, though each code stands in many rows."""

    def visits(first: int, customers: int) -> tuple[pd.DataFrame, Units]:
        codes = np.repeat(np.arange(customers), 10)
        own = np.arange(len(codes)) % 10 < 3
        return pd.DataFrame({"code": np.where(own, [f"c{first + code}" for code in codes], "usual")}), Units(
            codes, "entity"
        )

    (before, units), (now, served) = visits(0, 200), visits(1000, 60)
    assert judge_quality(before, now, RULE)[1].failed
    found = judge_quality(before, now, RULE, units, served)[1]
    assert found.passed
    assert "30.0% expected of such a column" in found.detail
    now["code"] = now["code"].str.upper()
    assert judge_quality(before, now, RULE, units, served)[1].failed


def test_one_days_new_code_among_codes_of_days_is_no_fault():
    """Each day has a batch of its own: the newest is as new as all were; a value written otherwise all over is not."""
    units, served = by_day(40), by_day(14)
    before = pd.DataFrame({"batch": [f"b{code}" for code in units.codes], "kind": "usual"})
    now = pd.DataFrame({"batch": [f"b{code + 100}" for code in served.codes], "kind": "USUAL"})
    assert [each.result for each in judge_quality(before, now, RULE, units, served)[2:]] == ["pass", "fail"]
