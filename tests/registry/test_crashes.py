"""A writer that dies at any of its writes, and writers that race: one registry comes of it, on a real MLflow store."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from regrow import registry
from regrow.base.errors import MovedOn, Unreachable
from regrow.project import Canary
from regrow.registry import CHAMPION, State

Versions = Callable[[str, int], str]
Picture = Callable[[str], dict[str, Any]]
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
CANARY = Canary(kind="canary", weights=(0.05, 0.5))
Size = Callable[[int, int], int]
WRITES = (
    "create_run",
    "delete_run",
    "log_param",
    "log_text",
    "set_tag",
    "delete_tag",
    "set_registered_model_tag",
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "set_model_version_tag",
)


class Killed(BaseException):
    """The process is gone."""


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[list[str]]:
    """Let the process die before write number *at*, from 1 on; give the names of the writes that were begun."""
    begun: list[str] = []

    def guarded(name: str) -> Callable[..., Any]:
        original = getattr(MlflowClient, name)

        def write(*args: Any, **kwargs: Any) -> Any:
            begun.append(name)
            if len(begun) >= at:
                raise Killed
            return original(*args, **kwargs)

        return write

    with monkeypatch.context() as patch:
        for name in WRITES:
            patch.setattr(MlflowClient, name, guarded(name))
        yield begun


def promote_first(name: str) -> None:
    registry.promote(name, 1, "ada", "first")


def start(name: str) -> None:
    registry.start_rollout(name, 2, CANARY, "flow", "passed", AS_OF)


def supersede(name: str) -> None:
    registry.start_rollout(name, 3, CANARY, "flow", "passed", AS_OF)


def advance(name: str) -> None:
    seen = registry.reconcile(name).state
    if seen.rollout and seen.rollout.stage == 0:
        registry.advance(name, seen, "flow", "holds", AS_OF)


def finish(name: str) -> None:
    seen = registry.reconcile(name).state
    if seen.rollout:
        registry.finish(name, seen, "flow", "proven", promoted=True)


def roll_back(name: str) -> None:
    registry.roll_back(name, "flow 7", "worse")


def put_back(name: str) -> None:
    def fail(state: State) -> None:
        raise Unreachable(f"version {state.champion} does not answer")

    moves = registry.ledger(name)
    if moves[-1].kind != "put back":
        with pytest.raises(Unreachable):
            registry.promote(name, 3, "ada", "better", fail)


def notice_the_hand(name: str) -> None:
    registry.reconcile(name)


def move_by_hand(name: str) -> None:
    registry.connect().set_registered_model_alias(name, CHAMPION, "3")


Operation = Callable[[str], None]
OPERATIONS: dict[str, tuple[list[Operation], Operation]] = {
    "the first promotion": ([], promote_first),
    "start": ([promote_first], start),
    "supersede": ([promote_first, start], supersede),
    "advance": ([promote_first, start], advance),
    "finish": ([promote_first, start], finish),
    "roll back the champion": ([promote_first, start, finish], roll_back),
    "put back": ([promote_first, start], put_back),
    "by hand": ([promote_first, start, move_by_hand], notice_the_hand),
}


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(name, marks=pytest.mark.long if name in {"put back", "by hand"} else ())
        for name in OPERATIONS
    ],
)
def test_a_crash_at_any_write_is_made_good(
    services: object,
    with_versions: Versions,
    picture: Picture,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    size: Size,
) -> None:
    """After a crash at each write the state is the one before or the one after; tried again, only the latter."""
    before, act = OPERATIONS[operation]

    def prepared(name: str) -> str:
        with_versions(name, 3)
        for each in before:
            each(name)
        return name

    stem = f"crash-{os.urandom(3).hex()}"
    whole = prepared(f"{stem}-whole")
    old = picture(whole)
    act(whole)
    new = picture(whole)
    step = size(8, 1)  # every eighth write, of each operation other ones, or every write
    at = 1 + list(OPERATIONS).index(operation) % step
    while True:
        name = prepared(f"{stem}-{at}")
        with dying(monkeypatch, at) as begun:
            try:
                act(name)
                break
            except Killed:
                pass
        registry.reconcile(name)
        found = picture(name)
        assert found["tags"].get("regrow.settled", "0") == str(len(found["ledger"]))
        if len(found["ledger"]) in {len(old["ledger"]), len(new["ledger"])}:
            assert unconfirmed(found) in (unconfirmed(old), unconfirmed(new)), (
                f"before write {at}, {begun[-1]}"
            )
        act(name)
        assert picture(name) == new, f"after a crash before write {at}, {begun[-1]}"
        at += step
    assert len(begun) > 6


def unconfirmed(picture: dict[str, Any]) -> dict[str, Any]:
    """Leave out which move a server confirmed: that does not follow from the moves."""
    tags = {key: value for key, value in picture["tags"].items() if key != "regrow.confirmed"}
    return {**picture, "tags": tags}


def moved(name: str, seen: State, actor: str) -> str:
    """Move from *seen*; say how it went."""
    assert seen.rollout is not None
    rollout = seen.rollout.model_copy(update={"paused": not seen.rollout.paused})
    after = seen.model_copy(update={"rollout": rollout})
    try:
        registry.make_move(name, seen, after, "pause", actor, "race", seen.challenger)
    except MovedOn:
        return "moved on"
    return "won"


@pytest.fixture
def model(name: str, with_versions: Versions) -> str:
    """Return a model with an open rollout."""
    with_versions(name, 2)
    promote_first(name)
    start(name)
    return name


def assert_one_history(name: str, moves: int) -> None:
    """Check that the ledger has *moves* moves, none of them by hand, and that aliases and tags follow the last."""
    ledger = registry.ledger(name)
    assert [move.number for move in ledger] == list(range(1, moves + 1))
    assert {move.kind for move in ledger} == {"promote", "start", "pause"}
    assert registry.reconcile(name).state == ledger[-1].state
    tags = registry.connect().get_registered_model(name).tags
    assert State.model_validate_json(tags["regrow.state"]) == ledger[-1].state
    assert tags["regrow.settled"] == str(moves)


def test_of_two_threads_one_wins(model: str, size: Size) -> None:
    """Of four threads that saw one state, exactly one moves it, round after round; the others are told."""
    rounds = size(6, 200)
    for _ in range(rounds):
        seen, barrier, said = registry.reconcile(model).state, threading.Barrier(4), list[str]()

        def race(
            actor: str, seen: State = seen, barrier: threading.Barrier = barrier, said: list[str] = said
        ) -> None:
            barrier.wait()
            said.append(moved(model, seen, actor))

        threads = [threading.Thread(target=race, args=(f"thread {index}",)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(said) == ["moved on", "moved on", "moved on", "won"]
    assert_one_history(model, 2 + rounds)


def test_of_two_first_writers_one_wins(services: object, with_versions: Versions, size: Size) -> None:
    """Writers that meet before there is a ledger agree on one, and on its first move."""
    for _ in range(size(5, 100)):
        name = f"first-{os.urandom(4).hex()}"
        with_versions(name, 2)
        barrier, said = threading.Barrier(2), list[str]()

        def race(
            number: int, name: str = name, barrier: threading.Barrier = barrier, said: list[str] = said
        ) -> None:
            barrier.wait()
            try:
                registry.promote(name, number, f"thread {number}", "first")
                said.append("won")
            except MovedOn:
                said.append("moved on")

        threads = [threading.Thread(target=race, args=(number,)) for number in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ledger = registry.ledger(name)
        assert len(ledger) == said.count("won") >= 1
        assert registry.reconcile(name).state == ledger[-1].state


RACER = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent))  # The servers' environment says PYTHONSAFEPATH, which leaves it out.
from regrow import registry
from tests_moved import moved
name, actor = sys.argv[1:]
print("ready", flush=True)
for line in sys.stdin:
    seen = registry.State.model_validate_json(line)
    print(moved(name, seen, actor), flush=True)
"""


@pytest.mark.long
def test_of_two_processes_one_wins(model: str, tmp_path: Path, size: Size) -> None:
    """The same between processes."""
    rounds = size(4, 200)
    (tmp_path / "tests_moved.py").write_text(Path(__file__).read_text())
    script = tmp_path / "racer.py"
    script.write_text(RACER)
    racers = [
        subprocess.Popen(
            [sys.executable, str(script), model, f"process {index}"],
            stdin=-1,
            stdout=-1,
            text=True,
            bufsize=1,
        )
        for index in range(2)
    ]
    try:
        assert [line(racer) for racer in racers] == ["ready", "ready"]
        for _ in range(rounds):
            seen = registry.reconcile(model).state
            for racer in racers:
                assert racer.stdin is not None
                racer.stdin.write(seen.model_dump_json() + "\n")
            assert sorted(line(racer) for racer in racers) == ["moved on", "won"]
    finally:
        for racer in racers:
            racer.communicate()
    assert_one_history(model, 2 + rounds)


def line(racer: "subprocess.Popen[str]") -> str:
    assert racer.stdout is not None
    return racer.stdout.readline().strip()
