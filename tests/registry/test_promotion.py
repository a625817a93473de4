"""Who was champion at which moment, by the ledger."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow import registry
from regrow.registry import Ledger, Move, State, Version

START = datetime(2024, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def moves_of(*champions: tuple[float, int | None], before: int | None = None) -> Ledger:
    """Write a ledger of promotions: the day of each, and the champion that it made."""
    made: list[Move] = []
    for number, (at, champion) in enumerate(champions, 1):
        state = State(champion=champion, move=number)
        move = Move(
            number=number, id=str(number), at=START, as_of=day(at), actor="ada", reason="", kind="promote",
            before=made[-1].state.champion if made else before, state=state,
        )  # fmt: skip
        made.append(move)
    return Ledger("n", moves=tuple(made))


@pytest.mark.parametrize(("at", "champion"), [(0, None), (1, 1), (4.9, 1), (5, 2), (8.9, 2), (9, 3), (99, 3)])
def test_a_champion_serves_from_its_move_to_the_next(at: float, champion: int | None) -> None:
    """A move counts from its own `as_of` on, that moment included."""
    assert moves_of((1, 1), (5, 2), (9, 3)).champion_at(day(at)) == champion


def test_a_later_entry_stands_above_those_before_it() -> None:
    """A move that was made as of an earlier moment takes the place of all that was written before it, from then on."""
    moves = moves_of((1, 1), (9, 2), (5, 3))
    assert [moves.champion_at(day(at)) for at in (4, 6, 10)] == [1, 3, 3]


def test_before_the_ledger_it_is_whom_the_first_move_replaced() -> None:
    """A champion from before the ledger served until then; without a move nobody is known."""
    assert moves_of((5, 2), before=1).champion_at(day(0)) == 1
    assert Ledger("n").champion_at(day(0)) is None


@given(days=st.lists(st.integers(0, 50), min_size=1, max_size=8), later=st.integers(50, 99))
def test_after_all_moves_it_is_what_the_last_one_says(days: list[int], later: int) -> None:
    """The present champion is the last move's, in whatever order the moments of the moves lie."""
    moves = moves_of(*((at, number) for number, at in enumerate(days)))
    assert moves.champion_at(day(later)) == moves[-1].state.champion


def test_the_registry_tells_the_champion_of_a_moment(name: str, registered: Callable[[str], Version]) -> None:
    """A moment between two promotions finds the first version, now the second, before both nobody."""
    for number, at in ((1, 1), (2, 5)):
        registered(name)
        registry.promote(name, number, "ada", "better", as_of=day(at))
    found = [registry.champion_at(name, moment) for moment in (day(0), day(2), day(6), datetime.now(UTC))]
    assert [version and version.number for version in found] == [None, 1, 2, 2]


def test_without_a_ledger_the_alias_tells(name: str, registered: Callable[[str], Version]) -> None:
    """A champion that was named by hand, and never moved by Regrow, is the champion of every moment."""
    version = registered(name)
    assert registry.champion_at(name, day(0)) is None
    registry.connect().set_registered_model_alias(name, registry.CHAMPION, str(version.number))
    found = registry.champion_at(name, day(0))
    assert found is not None
    assert found.number == version.number
