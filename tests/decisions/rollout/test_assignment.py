"""Who meets the challenger."""

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from regrow.decisions.rollout.assignment import is_challengers, is_mirrored, position

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
WEIGHTS = st.floats(0, 1)


@given(KEYS, KEYS, WEIGHTS, WEIGHTS)
def test_a_higher_weight_moves_entities_one_way(rollout, key, one, other):
    """Whom the challenger answers at a weight it answers at every higher one; at 0 nobody, at 1 everybody."""
    low, high = sorted((one, other))
    assert is_challengers(rollout, key, low) <= is_challengers(rollout, key, high)
    assert not is_challengers(rollout, key, 0.0)
    assert is_challengers(rollout, key, 1.0)
    assert is_mirrored(rollout, key, 1.0)
    assert not is_mirrored(rollout, key, 0.0)


def test_entities_spread_evenly():
    """At any weight the challenger gets that share of the entities, within what chance allows."""
    places = np.sort([position("v4-20130501T000000", str(key)) for key in range(100_000)])
    distance = np.abs(places - np.arange(100_000) / 100_000).max()
    assert distance < 1.95 / np.sqrt(100_000), "Kolmogorov-Smirnov at 0.1 %"


def test_rollouts_and_mirrors_draw_anew():
    """Where an entity stands in one rollout says nothing of the next, nor of whether it is mirrored."""
    keys = [str(key) for key in range(20_000)]
    first = [position("v4-a", key) for key in keys]
    assert abs(np.corrcoef(first, [position("v5-b", key) for key in keys])[0, 1]) < 0.03
    mirrored = np.array([is_mirrored("v4-a", key, 0.5) for key in keys])
    assert abs(mirrored[np.array(first) < 0.05].mean() - 0.5) < 0.07


def test_every_process_says_the_same():
    """Another process with another hash seed places an entity at the same spot, today's: it is written down."""
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "from regrow.decisions.rollout.assignment import position; print(position('v4', 'é/7'))",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "77"},
    )
    assert float(said.stdout) == position("v4", "é/7") == 0.33936725072235785
