"""One move for each verdict on a rollout, made once, and what is said if it cannot be made."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from regrow.base.errors import MovedOn, Unreachable
from regrow.base.verdict import Outcome, Result, Verdict
from regrow.project import Canary, Project
from regrow.registry import Move, Rollout, State
from tasks import move_rollout as module
from tasks.move_rollout import carry_out, render_look

NOW = datetime(2024, 3, 1, tzinfo=UTC)
PLAN = Canary(kind="canary", weights=(0.2, 0.5))


def seen(stage: int = 0) -> State:
    rollout = Rollout(id="v2", plan=PLAN, stage=stage, since=NOW, began=NOW)
    return State(champion=1, challenger=2, rollout=rollout, move=4)


def verdict(outcome: Outcome, result: Result = "pass") -> Verdict:
    return Verdict(decision="rollout", result=result, reason="as seen", outcome=outcome)


class Registry:
    """A registry that remembers which move was asked for, and may refuse it."""

    def __init__(self, error: Exception | None = None, moves: tuple[Move, ...] = ()) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.error, self.moves = error, moves

    def ledger(self, _: str) -> tuple[Move, ...]:
        return self.moves

    def open_rollout(self, _: str, state: State) -> Rollout:
        assert state.rollout
        return state.rollout

    def end_rollout(self, *_: object) -> Move:
        return self.make("roll back", 1)

    def finish(self, name: str, state: State, actor: str, reason: str, wins: bool, as_of: datetime) -> Move:
        return self.make("finish", 2 if wins else 1)

    def advance(self, *_: object) -> Move:
        return self.make("advance", 1)

    def make(self, kind: str, champion: int) -> Move:
        self.asked.append((kind, champion))
        if self.error:
            raise self.error
        return moved(kind, champion)

    def confirm_or_put_back(self, *_: object) -> None:
        self.asked.append(("confirmed",))


def moved(kind: str, champion: int = 1, actor: str = "flow 7", number: int = 5) -> Move:
    state = State(champion=champion, move=number)
    about = {
        "at": NOW,
        "as_of": NOW,
        "actor": actor,
        "reason": "r",
        "version": 2,
        "before": 1,
        "state": state,
    }
    return Move.model_validate({"number": number, "id": str(number), "kind": kind} | about)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    def make(server: Exception | None = None, **facts: Any) -> Registry:
        registry = Registry(**facts)

        def confirm(_: State) -> None:
            if server:
                raise server

        monkeypatch.setattr(module, "registry", registry)
        monkeypatch.setattr(module, "confirmation", lambda _: confirm)
        return registry

    return make


@pytest.mark.parametrize(
    ("outcome", "stage", "asked"),
    [
        ("hold", 0, []),
        ("advance", 0, [("advance", 1)]),
        ("advance", 1, [("finish", 2), ("confirmed",)]),
        ("roll back", 1, [("roll back", 1)]),
        ("better", 1, [("finish", 2), ("confirmed",)]),
        ("worse", 1, [("finish", 1)]),
        ("no difference", 1, [("finish", 1)]),
    ],
)
def test_each_outcome_is_one_move(
    project: Callable[..., Project],
    at: Callable[..., Registry],
    outcome: Outcome,
    stage: int,
    asked: list[tuple[Any, ...]],
) -> None:
    """A hold moves nothing; the last stage, and a better challenger, end with the champion's place."""
    registry = at()
    assert carry_out(project(), seen(stage), verdict(outcome), "flow 7", NOW) == verdict(outcome)
    assert registry.asked == asked


def test_a_retried_step_moves_once(project: Callable[..., Project], at: Callable[..., Registry]) -> None:
    """What this run moved on an earlier try is not moved again; what another one moved is not taken for it."""
    before = tuple(moved("advance", number=number) for number in range(1, 5))
    registry = at(moves=(*before, moved("advance")))
    carry_out(project(), seen(), verdict("advance"), "flow 7", NOW)
    assert registry.asked == []
    carry_out(project(), seen(), verdict("advance"), "flow 8", NOW)
    assert registry.asked == [("advance", 1)]


def test_who_came_first_is_said(project: Callable[..., Project], at: Callable[..., Registry]) -> None:
    """Another writer's move between look and move holds the rollout, and the verdict keeps both reasons apart."""
    at(error=MovedOn("another writer moved first"))
    held = carry_out(project(), seen(), verdict("advance"), "flow 7", NOW)
    assert (held.outcome, held.result, held.reason) == ("hold", "fail", "another writer moved first")


def test_a_rollback_that_no_server_follows_is_an_error(
    project: Callable[..., Project], at: Callable[..., Registry]
) -> None:
    """A challenger that may still answer is no success; a stage that a server does not know yet only holds."""
    at(server=Unreachable("silent"))
    with pytest.raises(Unreachable):
        carry_out(project(), seen(), verdict("roll back", "fail"), "flow 7", NOW)
    held = carry_out(project(), seen(), verdict("advance"), "flow 7", NOW)
    assert (held.outcome, held.failures[0].rule) == ("hold", "the model server follows")


def test_the_page_says_which_rollout(project: Callable[..., Project], at: Callable[..., Registry]) -> None:
    """The page names outcome, versions, stage and weight."""
    at()
    page = render_look(project(), seen(), verdict("advance"))
    assert ": advance\n" in page
    assert "Rollout `v2` of version 2 against 1, stage 1 of 2 (canary, weight 0.2)" in page


@pytest.mark.parametrize(
    ("outcome", "days", "moves", "told"),
    [
        ("hold", 6, (), []),
        ("hold", 8, (), ["rollout.stuck"]),
        ("advance", 8, (moved("advance"),), ["advance"]),
        ("hold", 8, (moved("advance", actor="another"),), ["rollout.stuck"]),
        ("roll back", 8, (moved("roll back"),), ["roll back"]),
    ],
)
def test_what_a_look_did_is_told(
    at: Callable[..., Registry],
    project: Callable[..., Project],
    remember: Callable[..., Any],
    outcome: Outcome,
    days: int,
    moves: tuple[Move, ...],
    told: list[str],
) -> None:
    """Its own move is; a rollout that stays in a stage for longer than a week is said to be stuck, once a day."""
    record = remember(module)
    at()
    found = (moved("start"),) * 4 + moves
    module.tell(project(), found, seen(), verdict(outcome), "flow 7", NOW + timedelta(days=days))
    assert [each["kind"] for each in record.told] == told
    assert [each["key"] for each in record.told if "key" in each] == ["v2/0/2024-03-09"] * (
        "rollout.stuck" in told
    )
