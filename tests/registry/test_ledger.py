"""The ledger as it was read: what follows from its moves, moves of an earlier Regrow, and how often it is read."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mlflow import MlflowClient

from regrow import registry
from regrow.project import Canary
from regrow.registry import State
from regrow.registry.ledger import Ledger, read_ledger
from regrow.registry.state import Move, MoveKind

Versions = Callable[[str, int], str]
AT = datetime(2024, 3, 1, tzinfo=UTC)
LIMITS_OF_0_1 = {
    "confidence": 0.95, "failures": 0.01, "latency_p50": 2.0, "latency_p99": 2.0, "disagreement": None,
    "shift": None, "metric_loss": 0.0,
}  # fmt: skip
PLANS_OF_0_1: dict[str, dict[str, Any]] = {
    "canary": {
        "kind": "canary", "weights": [0.05, 0.5], "shadow_rows": 0, "mirror": 1.0, "least_rows": 500,
        "least_time": "0w", "least_labels": 0, "limits": LIMITS_OF_0_1,
    },
    "shadow": {
        "kind": "shadow", "mirror": 1.0, "least_rows": 1000, "least_time": "1d", "least_labels": 0,
        "limits": LIMITS_OF_0_1,
    },
    "ab": {
        "kind": "ab", "split": 0.5, "mirror": 0.0, "metric": None, "least_rows": 1000, "greatest_rows": 20000,
        "smallest_difference": 0.01, "confidence": 0.95, "limits": LIMITS_OF_0_1,
    },
}  # fmt: skip

NEWER: Any = {"format": True, "rollout": {"plan": {"least_units"}}}
"""What 0.1 did not write of a state; it has its default."""


@pytest.mark.parametrize("plan", PLANS_OF_0_1)
def test_moves_that_0_1_wrote_are_read(plan: str) -> None:
    """A ledger of Regrow 0.1 opens: state, open rollout, who moved and why, the rows, and who was at work."""
    began = {"since": "2024-03-01T00:00:00Z", "began": "2024-03-01T00:00:00Z"}
    rollout = {"id": "v2-20240301T000000", "plan": PLANS_OF_0_1[plan], "stage": 0, "paused": True, **began}
    moment = {"at": "2024-03-01T00:00:00.5Z", "as_of": "2024-03-01T00:00:00Z"}
    told = {"actor": "flow 7", "reason": "passed", "version": 2}
    first = {"champion": 1, "challenger": None, "rollout": None, "move": 1}
    second = {"champion": 1, "challenger": 2, "rollout": rollout, "move": 2}
    moves = [
        {
            "number": 1,
            "id": "a",
            **moment,
            **told,
            "kind": "promote",
            "before": None,
            "state": first,
            "rows": None,
        },
        {
            "number": 2,
            "id": "b",
            **moment,
            **told,
            "kind": "start",
            "before": 1,
            "state": second,
            "rows": 900,
        },
    ]
    params = {f"move.{move['number']:06d}": json.dumps(move) for move in moves} | {"other": "x"}
    tags = {"regrow.moves": "run", "regrow.settled": "1"}
    writers = {"settling.ab12": "2024-03-01T00:00:00+00:00", "regrow.key": "moves/m"}
    client = SimpleNamespace(
        get_registered_model=lambda _: SimpleNamespace(aliases={"champion": "1"}, tags=tags),
        get_run=lambda _: SimpleNamespace(data=SimpleNamespace(params=params, tags=writers)),
    )
    found = read_ledger(cast(MlflowClient, client), "m")
    assert (found.run_id, found.reconciled, found.has_writer) == ("run", 1, False)
    assert [
        json.loads(move.model_dump_json(exclude={"at": True, "format": True, "state": NEWER}))
        for move in found
    ] == [{key: value for key, value in move.items() if key != "at"} for move in moves]
    assert found.expected_aliases() == {"champion": 1, "challenger": 2, "previous-champion": None}
    assert found.new_statuses() == {2: "rolling out"}


def made(*steps: tuple[MoveKind, int | None, int | None]) -> Ledger:
    """Make a ledger of moves: what kind, of which version, and who is champion after it."""
    ledger = Ledger("m")
    for number, (kind, version, champion) in enumerate(steps, 1):
        state = State(champion=champion, move=number)
        before = ledger.state.champion
        move = Move(
            number=number, id=str(number), at=AT, as_of=AT, actor="ada", reason="", kind=kind, version=version,
            before=before, state=state,
        )  # fmt: skip
        ledger = ledger.with_move(move, "run")
    return ledger


def test_who_served_well_is_who_did_not_disappoint() -> None:
    """The last champion first; what was rolled or put back is passed over until it is champion again."""
    ledger = made(("promote", 1, 1), ("promote", 2, 2), ("promote", 3, 3), ("roll back", 3, 2))
    assert ledger.served_well() == [1]
    assert made(*steps(ledger), ("promote", 3, 3)).served_well() == [2, 1]
    assert made(*steps(ledger), ("promote", 4, 4), ("put back", 4, 2)).served_well() == [1]
    assert Ledger("m").served_well() == []


def steps(ledger: Ledger) -> list[tuple[MoveKind, int | None, int | None]]:
    return [(move.kind, move.version, move.state.champion) for move in ledger]


def test_a_version_is_promoted_by_the_moves_that_made_it_champion() -> None:
    """Not by those that left it where it was, and a second time by a move that restored it."""
    ledger = made(("promote", 1, 1), ("start", 2, 1), ("finish", 2, 2), ("roll back", 2, 1))
    assert [move.number for move in ledger.promotions_of(1)] == [1, 4]
    assert [move.number for move in ledger.promotions_of(2)] == [3]
    assert ledger.promotions_of(3) == []


def test_a_move_reads_the_ledger_before_and_after_it(
    name: str, with_versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many steps a move has, the ledger is read once to decide, and once to see what others did meanwhile."""
    with_versions(name, 3)
    registry.promote(name, 1, "ada", "first")
    read: list[str] = []

    def counted(client: MlflowClient, of: str) -> Ledger:
        read.append(of)
        return read_ledger(client, of)

    for module in ("ledger", "reconciliation"):
        monkeypatch.setattr(import_module(f"regrow.registry.{module}"), "read_ledger", counted)
    canary = Canary(kind="canary", weights=(0.05, 0.5))
    operations: dict[str, Callable[[], object]] = {
        "promote": lambda: registry.promote(name, 2, "ada", "better", lambda _: None),
        "start": lambda: registry.start_rollout(name, 3, canary, "flow", "passed", AT),
        "pause": lambda: registry.pause(name, "ada", "holiday"),
        "roll back": lambda: registry.roll_back(name, "ada", "worse"),
        "promote again": lambda: registry.promote(name, 2, "ada", "again", lambda _: None),
    }
    counts: dict[str, int] = {}
    for operation, act in operations.items():
        read.clear()
        act()
        counts[operation] = len(read)
    assert counts == {"promote": 2, "start": 2, "pause": 2, "roll back": 2, "promote again": 1}
