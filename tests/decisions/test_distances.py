import numpy as np
import pandas as pd
import pytest
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift

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


@pytest.mark.parametrize("method", ["psi", "jensenshannon", "wasserstein"])
def test_what_did_not_move_is_near_and_what_did_is_far(method):
    """Every method and type of column gives a small distance to itself and a large one to what moved."""
    moved = REFERENCE.assign(n=REFERENCE["n"] + 2, c="b", b=True, t=REFERENCE["t"] + pd.Timedelta(days=9))
    near = measure_distances(REFERENCE, REFERENCE, method, THRESHOLDS).values
    far = measure_distances(REFERENCE, moved, method, THRESHOLDS).values
    assert set(near) == {"n", "c", "b", "t"}
    assert max(near.values()) < 0.01
    assert min(far.values()) > 0.2


@pytest.mark.parametrize("method", ["psi", "jensenshannon", "wasserstein"])
def test_the_distances_are_those_of_evidentlys_report(method, tmp_path):
    """They are taken from the functions that Evidently's own metric calls: equal to the last bit, gaps included."""
    moved = REFERENCE.assign(n=REFERENCE["n"].where(REFERENCE.index % 7 > 0) + 0.3, b=True).head(1500)
    found = measure_distances(REFERENCE, moved, method, THRESHOLDS)
    definition = DataDefinition(numerical_columns=["n", "t"], categorical_columns=["c", "b"])
    sides = [
        Dataset.from_pandas(frame, data_definition=definition) for frame in (found.window, found.reference)
    ]
    for name, value in found.values.items():
        own = "jensenshannon" if method == "wasserstein" and name in "cb" else method
        metric = ValueDrift(column=name, method=own, threshold=0.2)
        report = Report([metric]).run(*sides)
        assert report.metric_results[metric.get_metric_id()].value == value


def test_infinite_values_are_missing_ones():
    """A column that has nothing else on one side is left out."""
    infinite = REFERENCE[["n"]].assign(n=np.inf)
    assert measure_distances(REFERENCE[["n"]], infinite, "psi", {"n": 0.2}).values == {}
    some = REFERENCE[["n"]].assign(n=REFERENCE["n"].mask(REFERENCE.index < 1000, np.inf))
    assert measure_distances(REFERENCE[["n"]], some, "psi", {"n": 0.2}).values["n"] < 0.1


def test_of_many_columns_the_farthest_are_drawn(tmp_path, monkeypatch):
    """A report of more columns than can be looked at shows those that lie farthest apart."""
    monkeypatch.setattr("regrow.decisions.distances.DRAWN", 1)
    moved = REFERENCE.assign(n=REFERENCE["n"] + 2)
    measure_distances(REFERENCE, moved, "psi", THRESHOLDS).save_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.count("Drift in column") == 1


def test_row_order_changes_no_distance():
    """The distances do not depend on the order of the rows."""
    window = REFERENCE.sample(frac=0.5, random_state=1)
    shuffled = window.sample(frac=1, random_state=2)
    one, other = (measure_distances(REFERENCE, rows, "psi", THRESHOLDS).values for rows in (window, shuffled))
    assert one == pytest.approx(other)


def test_nothing_to_compare_still_gives_a_page(tmp_path):
    """If no column has values on both sides there is no distance, and a page that says so."""
    nothing = measure_distances(REFERENCE[["empty"]], REFERENCE[["empty"]], "psi", {"empty": 0.2})
    nothing.save_html(tmp_path / "report.html")
    assert nothing.values == {}
    assert "No column" in (tmp_path / "report.html").read_text()
