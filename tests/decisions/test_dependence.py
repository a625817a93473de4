"""What moved in no column by itself."""

import numpy as np
import pandas as pd
import pytest

from regrow.decisions.dependence import Changed, compare_dependence, judge_dependence
from regrow.decisions.distances import measure_distances
from regrow.decisions.past import Past
from regrow.decisions.units import Units, single_rows
from regrow.project import DriftRule

RULE = DriftRule(dependence=0.2)
COLUMNS = [f"n{place}" for place in range(12)]


def days(seed: int, count: int, dependence: float = 0.0) -> tuple[pd.DataFrame, Units]:
    """Draw 100 rows of each of *count* days: each column has its weather, two of them depend on one another."""
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(count), 100)
    values = random.normal(size=(count, 12))[codes] + random.normal(size=(len(codes), 12))
    values[:, 1] = dependence * values[:, 0] + np.sqrt(1 - dependence**2) * random.normal(size=len(codes))
    values[:, 0] /= np.sqrt(2)
    return pd.DataFrame(values, columns=COLUMNS), Units(codes, "day")


def look(seed: int, before: float, now: float) -> Changed:
    """Return what changed from a quarter to the month after."""
    reference, units = days(seed, 90, before)
    window, served = days(seed + 1000, 31, now)
    distances = measure_distances(reference, window, "psi", dict.fromkeys(COLUMNS, 0.2))
    found = compare_dependence(distances.columns, Past(units, served), 0.2)
    assert isinstance(found, Changed)
    return found


@pytest.mark.parametrize(("before", "now"), [(0.0, 0.5), (0.8, 0.0)])
def test_a_correlation_that_comes_or_goes_is_found_and_named(before: float, now: float) -> None:
    """No column moves by itself, and the two that depend on one another in another way are named first."""
    found = look(0, before, now)
    assert found.pairs[0].names == ("n0", "n1")
    assert found.doubt < 0.005
    finding = judge_dependence(found, 0.01, 3100, RULE)
    assert finding.failed and finding.noted
    assert finding.detail.startswith("correlations that changed: n0 with n1 ")


def test_only_pairs_that_are_proven_are_named() -> None:
    """Beside the pair that changed, pairs that changed by chance are not named, however many there are."""
    for seed in range(5):
        detail = judge_dependence(look(seed, 0.0, 0.8), 0.01, 3100, RULE).detail
        assert "n0 with n1" in detail
        assert detail.count(" with ") == 1


def test_a_small_level_can_be_reached() -> None:
    """A correlation that is gone is proven at a level below one in a thousand too: the tail goes on."""
    assert look(0, 0.8, 0.0).doubt < 1e-6


def test_of_a_wide_table_it_is_told_what_was_compared() -> None:
    """Each column is looked at before a second category of any; of more than can be the verdict says how many were."""
    random = np.random.default_rng(0)
    codes = np.repeat(np.arange(60), 50)
    for texts, numbers, told in ((58, 2, ""), (0, 150, " (of the first 120 of 150 columns)")):
        sides = []
        for rows, together in ((codes, 0.0), (codes[:1000], 2.0)):
            frame = {f"t{n}": random.choice(["a", "b", "c", "d", "e"], len(rows)) for n in range(texts)}
            frame |= {f"n{n}": random.normal(size=len(rows)) for n in range(numbers)}
            made = pd.DataFrame(frame)
            made["n1"] = made["n1"] + together * made["n0"]
            sides.append((made, Units(rows, "day")))
        (reference, units), (window, served) = sides
        window["n1"] = window["n1"] / np.sqrt(5)
        distances = measure_distances(reference, window, "psi", dict.fromkeys(reference, 0.2))
        found = compare_dependence(distances.columns, Past(units, served), 0.2)
        assert isinstance(found, Changed)
        assert found.pairs[0].names == ("n0", "n1")
        assert judge_dependence(found, 0.01, 1000, RULE).detail.endswith(
            f"now {found.pairs[0].window:+.2f}{told}"
        )


def test_the_level_holds_over_all_pairs() -> None:
    """In 60 months in which nothing changes but the weather, 5 of 100 looks find something at most, and chance."""
    found = sum(look(seed, 0.5, 0.5).doubt <= 0.05 for seed in range(60))
    assert found <= 7


def test_a_small_window_is_held_against_small_windows() -> None:
    """Two hundred rows have correlations by chance; drawn windows are as uncertain."""
    random = np.random.default_rng(0)
    reference = pd.DataFrame(random.normal(size=(20_000, 12)), columns=COLUMNS)
    doubts = []
    for seed in range(20):
        window = pd.DataFrame(np.random.default_rng(seed + 1).normal(size=(200, 12)), columns=COLUMNS)
        distances = measure_distances(reference, window, "psi", dict.fromkeys(COLUMNS, 0.2))
        past = Past(single_rows(20_000), single_rows(200))
        found = compare_dependence(distances.columns, past, 0.01)
        assert isinstance(found, Changed)
        doubts.append(found.doubt)
    assert 0.2 < np.mean(doubts) < 0.8


def test_a_category_that_goes_with_another_number_is_found() -> None:
    """A text column depends on numbers by its frequent categories; the one that changed is named."""
    random = np.random.default_rng(0)
    codes = np.repeat(np.arange(60), 100)
    sides = []
    for rows, price in ((codes, 0.0), (codes[:2000], 1.5)):
        kind = random.choice(["a", "b", "c"], len(rows))
        values = random.normal(size=len(rows)) + np.where(kind == "a", price, -price / 2)
        sides.append((pd.DataFrame({"kind": kind, "price": values}), Units(rows, "day")))
    (reference, units), (window, served) = sides
    distances = measure_distances(reference, window, "psi", {"kind": 0.2, "price": 0.2})
    found = compare_dependence(distances.columns, Past(units, served), 0.2)
    assert isinstance(found, Changed)
    assert set(found.pairs[0].names) == {"kind = a", "price"}
    assert found.doubt < 0.005


def test_what_cannot_be_compared_says_why() -> None:
    """A short past, one column, and constant columns conclude nothing; so do few rows."""
    frame, units = days(0, 20)
    distances = measure_distances(frame, frame, "psi", dict.fromkeys(COLUMNS, 0.2))
    told = compare_dependence(distances.columns, Past(units, units), 0.2)
    assert isinstance(told, str) and told.startswith("a window of 20 days is longer than half")
    assert judge_dependence(told, 0.01, 3100, RULE).undecided
    one = {"n0": distances.columns["n0"]}
    served = Units(np.zeros(len(frame), dtype=np.int64), "day")
    assert compare_dependence(one, Past(units, served), 0.2) == "fewer than two columns vary"
    constant = measure_distances(frame * 0, frame * 0, "psi", dict.fromkeys(COLUMNS, 0.2))
    assert compare_dependence(constant.columns, Past(units, served), 0.2) == "fewer than two columns vary"
    assert judge_dependence(look(0, 0.0, 0.5), 0.01, 199, RULE).undecided
