"""What a bound proves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow.decisions.rollout.bounds import judge_bound, proven, undecided

shares = st.floats(-1, 1)


@pytest.mark.parametrize(
    ("low", "greatest", "result"), [(0.2, 0.9, "fail"), (0.0, 0.9, "pass"), (0.0, 0.05, "undecided")]
)
def test_a_limit_is_kept_only_if_it_could_have_been_broken(low: float, greatest: float, result: str) -> None:
    """A bound above the limit of 0.1 breaks it; one below keeps it, if the worst of the rows would have broken it."""
    assert judge_bound(low, 0.1, greatest) == result


@given(low=shares, limit=shares, more=st.floats(0, 1))
def test_it_fails_exactly_if_the_limit_is_proven_broken(low: float, limit: float, more: float) -> None:
    """Whatever could have been proven, it fails if and only if the bound lies above the limit."""
    assert (judge_bound(low, limit, low + more) == "fail") == (low > limit)


def test_a_proof_names_its_bound() -> None:
    """A broken limit is told with the bound, a kept one without; what is undecided says why."""
    assert proven(0.25, 0.1, ".1f") == "at least 0.2, limit 0.1"
    assert proven(0.05, 0.1, ".1f") == "limit 0.1"
    assert undecided("a", 3, "too few").model_dump(exclude_none=True, exclude_defaults=True) == {
        "rule": "a",
        "result": "undecided",
        "rows": 3,
        "detail": "too few",
    }
