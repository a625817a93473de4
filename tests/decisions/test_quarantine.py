"""Whether more rows than usual are set aside."""

import pytest

from regrow.decisions.quarantine import usual_share


@pytest.mark.parametrize(
    ("past", "usual"),
    [
        ([], 0.05),
        ([0.0, 0.0], 0.05),
        ([0.0, 0.0, 0.0], 0.005),
        ([0.02, 0.02, 0.03], 0.04),
        ([0.02, 0.02, 0.02, 0.09], 0.04),
    ],
)
def test_usual_is_twice_the_median(past: list[float], usual: float) -> None:
    """Of too few batches it is half of the limit; one broken batch does not raise it; a trace is never unusual."""
    assert usual_share(past, limit=0.1) == pytest.approx(usual)
