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


@pytest.mark.parametrize("method", ["psi", "jensenshannon", "wasserstein"])
def test_what_did_not_move_is_near_and_what_did_is_far(method):
    """Every method and type of column gives a small distance to itself and a large one to what moved."""
    moved = REFERENCE.assign(n=REFERENCE["n"] + 2, c="b", b=True, t=REFERENCE["t"] + pd.Timedelta(days=9))
    near = measure_distances(REFERENCE, REFERENCE, method, THRESHOLDS).values
    far = measure_distances(REFERENCE, moved, method, THRESHOLDS).values
    assert set(near) == {"n", "c", "b", "t"}
    assert max(near.values()) < 0.01
    assert min(far.values()) > 0.2


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
