"""The rollouts of the replayed year."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from regrow.demo.rollouts import endings, next_look, next_stop
from regrow.project import Canary
from regrow.registry import Move, Rollout, State


def day(month: int, number: int) -> datetime:
    return datetime(2013, month, number, tzinfo=UTC)


def move(number: int, kind: Any, at: datetime, rows: int, version: int = 2) -> Move:
    return Move(
        number=number, id=str(number), at=at, as_of=at, actor="flow", reason=f"because {number}", kind=kind,
        version=version, rows=rows, state=State(move=number),
    )  # fmt: skip


def test_a_rollouts_rows_are_those_since_its_start() -> None:
    """What was answered before it began, or in another month, is not counted."""
    ledger = [
        move(1, "promote", day(4, 1), 0, version=1),
        move(2, "start", day(5, 1), 28_000),
        move(3, "advance", day(5, 4), 2_000),
        move(4, "finish", day(5, 7), 3_000),
        move(5, "start", day(5, 15), 9_000, version=3),
        move(6, "roll back", day(5, 18), 2_500, version=3),
    ]
    told = [(end.version, end.outcome, end.rows) for end in endings(ledger, day(5, 1), day(6, 1))]
    assert told == [(2, "promoted", 5_000), (3, "rolled back", 2_500)]
    assert endings(ledger, day(4, 1), day(5, 1)) == ()


@pytest.mark.parametrize(
    ("at", "look", "stop"),
    [
        (day(5, 1), None, day(6, 1)),
        (day(5, 1), day(5, 4), day(5, 4)),
        (day(7, 1), None, day(7, 15)),
        (day(7, 14), day(7, 17), day(7, 15)),
        (day(7, 15), None, day(8, 1)),
    ],
)
def test_traffic_stops_for_a_look(at: datetime, look: datetime | None, stop: datetime) -> None:
    """It goes to the month's end, or to the next look, and halts in July for the shuffled labels."""
    month_end = (at.replace(day=28) + timedelta(days=4)).replace(day=1)
    assert next_stop(at, look, month_end) == stop


def test_no_look_is_made_in_vain() -> None:
    """The first look waits for the labels of as many days as the plan asks for; the others are three days apart."""
    plan = Canary(kind="canary", least_units=10)
    opened = Rollout(id="v2", plan=plan, stage=0, since=day(5, 1), began=day(5, 1))
    flights: Any = SimpleNamespace(data=SimpleNamespace(label_delay=timedelta(days=1)))
    assert next_look(flights, opened, day(5, 1)) == day(5, 12)
    assert next_look(flights, opened, day(5, 12)) == day(5, 15)
    assert next_look(flights, opened, day(5, 10)) == day(5, 13)
    advanced = opened.model_copy(update={"since": day(5, 15)})
    assert next_look(flights, advanced, day(5, 1)) == day(5, 18), (
        "a demonstration that goes on begins its month anew"
    )
