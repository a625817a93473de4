"""How sure one look must be."""

from collections.abc import Callable
from typing import Any

import pytest

from regrow.decisions.looks import level_of_look

WATCHED = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "timestamp": "at"}


@pytest.mark.parametrize(
    ("monitoring", "level"),
    [
        ({"window": "31d", "schedule": "0 6 1 * *"}, 1 / 12),
        ({"window": "31d", "schedule": "0 6 * * *"}, 1 / (4 * 365.25 / 31)),
        ({"window": "31d", "schedule": "0 * * * *"}, 1 / (4 * 365.25 / 31)),
        ({"window": "31d", "schedule": "0 6 1 * *", "false_alarms": 0.12}, 0.01),
        ({"window": "73.05d"}, 0.1),
        ({"window": "7d"}, 1 / (365.25 / 7)),
    ],
)
def test_looks_share_the_alarms_of_a_year(
    project: Callable[..., Any], monitoring: dict[str, Any], level: float
) -> None:
    """A monthly look may err in 1 of 12; hourly looks at days are daily ones, and those of one window overlap."""
    assert level_of_look(project(data=WATCHED, monitoring=monitoring)) == pytest.approx(level, rel=0.01)


def test_rows_without_a_period_are_looked_at_without_end(project: Callable[..., Any]) -> None:
    """If each row is an observation of its own, hourly looks count as the most that a window can hold."""
    made = project(data=WATCHED | {"unit": "row"}, monitoring={"window": "10d", "schedule": "0 * * * *"})
    assert level_of_look(made) == pytest.approx(1 / 365.25)
