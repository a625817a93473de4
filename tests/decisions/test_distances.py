"""How far columns lie apart."""

import numpy as np
import pandas as pd
import pytest

from regrow.decisions.distances import measure_distances

RANDOM = np.random.default_rng(0)
REFERENCE = pd.DataFrame(
    {
        "n": RANDOM.normal(size=2000),
        "c": RANDOM.choice(["a", "b"], 2000),
        "b": RANDOM.choice([True, False], 2000),
        "t": pd.date_range("2024-01-01", periods=2000, freq="min", tz="UTC"),
        "empty": np.nan,
    }
)
THRESHOLDS = dict.fromkeys(REFERENCE.columns, 0.2)


@pytest.mark.parametrize("method", ["psi", "jensenshannon"])
def test_what_did_not_move_is_near_and_what_did_is_far(method):
    """Both methods give each type of column no distance to itself, and a large one to what moved."""
    moved = REFERENCE.assign(n=REFERENCE["n"] + 2, c="b", b=True, t=REFERENCE["t"] + pd.Timedelta(days=9))
    near = measure_distances(REFERENCE, REFERENCE, method, THRESHOLDS).values
    far = measure_distances(REFERENCE, moved, method, THRESHOLDS).values
    assert set(near) == {"n", "c", "b", "t"}
    assert max(near.values()) < 1e-9
    assert min(far.values()) > 0.2


def test_the_distances_are_those_of_their_formulas():
    """Of two bins: PSI is the sum of (p - q) ln(p / q), Jensen-Shannon the root of a mean divergence."""
    one, other = (pd.DataFrame({"c": ["a"] * count + ["b"] * (10_000 - count)}) for count in (5000, 8000))
    psi = 0.3 * np.log(0.8 / 0.5) + 0.3 * np.log(0.5 / 0.2)
    middle = np.array([0.65, 0.35])
    sides = [np.array([0.5, 0.5]), np.array([0.8, 0.2])]
    shannon = np.sqrt(sum(np.sum(side * np.log(side / middle)) for side in sides) / 2)
    for method, value in (("psi", psi), ("jensenshannon", shannon)):
        assert measure_distances(one, other, method, {"c": 0.2}).values["c"] == pytest.approx(value, rel=1e-3)


def test_an_outlier_hides_no_shift():
    """One value of a million in the reference does not make a shift of three standard deviations disappear."""
    spoilt = pd.concat([REFERENCE[["n"]], pd.DataFrame({"n": [1e6]})])
    assert measure_distances(spoilt, REFERENCE[["n"]] + 3, "psi", {"n": 0.2}).values["n"] > 3


def test_thousands_of_categories_that_do_not_change_are_near():
    """A column of 5,000 categories has no distance of its own from another sample of the same."""
    one, other = (pd.DataFrame({"c": RANDOM.integers(0, 5000, 10_000).astype(str)}) for _ in range(2))
    assert measure_distances(one, other, "psi", {"c": 0.2}).values["c"] < 0.01


def test_values_that_go_missing_are_seen():
    """A column whose values stay alike but become missing moves; infinite values are missing ones."""
    for gap in (np.nan, np.inf):
        some = REFERENCE[["n"]].assign(n=REFERENCE["n"].mask(REFERENCE.index % 5 == 0, gap))
        assert measure_distances(REFERENCE[["n"]], some, "psi", {"n": 0.2}).values["n"] > 0.5


def test_of_many_columns_the_farthest_are_drawn(tmp_path, monkeypatch):
    """A report of more columns than can be looked at shows those that lie farthest apart, by their bins."""
    monkeypatch.setattr("regrow.decisions.distances.DRAWN", 1)
    moved = REFERENCE.assign(n=REFERENCE["n"] + 2)
    measure_distances(REFERENCE, moved, "psi", THRESHOLDS).save_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.count("Drift in column") == 1
    assert "11 missing" in page or "10 above" in page


def test_row_order_changes_no_distance():
    """The distances do not depend on the order of the rows."""
    window = REFERENCE.sample(frac=0.5, random_state=1)
    shuffled = window.sample(frac=1, random_state=2)
    one, other = (measure_distances(REFERENCE, rows, "psi", THRESHOLDS).values for rows in (window, shuffled))
    assert one == pytest.approx(other)


def test_nothing_to_compare_still_gives_a_page(tmp_path):
    """If no column has values on either side there is no distance, and a page that says so."""
    nothing = measure_distances(REFERENCE[["empty"]], REFERENCE[["empty"]], "psi", {"empty": 0.2})
    nothing.save_html(tmp_path / "report.html")
    assert nothing.values == {}
    assert "No column" in (tmp_path / "report.html").read_text()


def test_text_that_comes_to_an_empty_column_moves_it():
    """A column that has no value in the reference, and text in the window, is compared: all of its values are new."""
    empty, text = (pd.DataFrame({"c": pd.Series([value] * 50, dtype="object")}) for value in (None, "a"))
    assert measure_distances(empty, text, "psi", {"c": 0.2}).values["c"] > 3
    assert measure_distances(text, empty, "psi", {"c": 0.2}).values["c"] > 3
