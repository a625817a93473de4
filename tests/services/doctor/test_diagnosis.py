"""Figures as people read them."""

import pytest

from regrow.services.doctor.diagnosis import duration, size


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 kB"), (2_500_000, "2.5 MB"), (71e9, "71.0 GB"), (2e12, "2.0 TB")]
)
def test_sizes_have_one_unit(count: float, said: str) -> None:
    """A size is told in its largest unit."""
    assert size(count) == said


@pytest.mark.parametrize(("seconds", "said"), [(5, "5 s"), (90, "2 min"), (7200, "2 h"), (200_000, "2 d")])
def test_durations_have_one_unit(seconds: float, said: str) -> None:
    """A duration is told in its largest unit."""
    assert duration(seconds) == said
