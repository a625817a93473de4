"""Who takes over: nobody without a pass, at once or by a rollout, and never twice."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from regrow.errors import Unreachable
from regrow.project import Project
from regrow.registry import Move, State, Version
from regrow.verdict import Result, Verdict
from tasks import deploy as module
from tasks.deploy import carry_out

NOW = datetime(2024, 3, 1, tzinfo=UTC)
VERSION = Version(name="m", number=2, model_id="m-2", run_id="r", tags={})
CANARY = {"server": False, "rollout": {"kind": "canary"}}
SILENT = Unreachable("no server answers")


class Registry:
    """One model's registry in memory: who is champion, what moves were made, and what the servers answer."""

    def __init__(self, champion: int | None = 1, moves: tuple[Move, ...] = ()) -> None:
        self.now = State(champion=champion, move=len(moves))
        self.moves, self.calls = list(moves), []
        self.silent, self.puts_back = False, True

    def settle(self, _: str) -> State:
        return self.now

    def state(self, _: str) -> State:
        return self.now

    def ledger(self, _: str) -> list[Move]:
        return self.moves

    def promote(self, _: str, number: int, *rest: object) -> None:
        self.calls.append("promote")
        before = self.now
        self.now = State(champion=number, move=before.move + 1)
        if self.silent:
            self.now = before if self.puts_back else self.now
            raise SILENT

    def start_rollout(self, _: str, number: int, *rest: object) -> None:
        self.calls.append("start")
        self.now = State(champion=self.now.champion, challenger=number, move=self.now.move + 1)

    def confirm(self, _: State) -> None:
        if self.silent:
            raise SILENT


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    def make(**facts: Any) -> Registry:
        registry = Registry(**facts)
        monkeypatch.setattr(module, "registry", registry)
        monkeypatch.setattr(module, "confirmation", lambda _: registry.confirm)
        return registry

    return make


def verdict(result: Result = "pass") -> Verdict:
    return Verdict(decision="promote", result=result, reason="as measured")


def deployed(project: Project, result: Result = "pass") -> Verdict:
    return carry_out(project, VERSION, verdict(result), "ada", NOW)


def moved(kind: str, number: int, reason: str = "") -> Move:
    about = {"actor": "ada", "at": NOW, "as_of": NOW, "version": 2, "state": State(champion=1, move=number)}
    return Move.model_validate({"number": number, "id": str(number), "kind": kind, "reason": reason} | about)


@pytest.mark.parametrize("result", ["fail", "undecided"])
def test_only_a_pass_takes_over(
    project: Callable[..., Project], at: Callable[..., Registry], result: Result
) -> None:
    """A verdict that failed or is undecided moves nothing, not even the first version, and is handed on as it is."""
    registry = at(champion=None)
    assert deployed(project(), result) == verdict(result)
    assert registry.calls == []


def test_the_first_version_serves_at_once(
    project: Callable[..., Project], at: Callable[..., Registry]
) -> None:
    """Without a champion there is nobody to compare with on live traffic, whatever rollout the file asks for."""
    registry = at(champion=None)
    assert deployed(project(deployment=CANARY)).passed
    assert registry.calls == ["promote"]


def test_a_successor_starts_the_rollout_of_the_file(
    project: Callable[..., Project], at: Callable[..., Registry]
) -> None:
    """Beside a champion a version goes through the rollout that the file asks for; without one it replaces it."""
    registry = at()
    assert deployed(project(deployment=CANARY)).passed
    assert registry.calls == ["start"]
    registry = at()
    assert deployed(project()).passed
    assert registry.calls == ["promote"]


def test_what_no_server_confirms_is_put_back(
    project: Callable[..., Project], at: Callable[..., Registry]
) -> None:
    """A promotion that the servers do not follow fails, says why, and keeps what the gates measured."""
    at().silent = True
    outcome = deployed(project())
    assert (outcome.decision, outcome.result) == ("deploy", "fail")
    assert outcome.reason == "put back: no server answers"
    assert [finding.rule for finding in outcome.failures] == ["the model server follows"]


def test_what_could_not_be_put_back_is_an_error(
    project: Callable[..., Project], at: Callable[..., Registry]
) -> None:
    """If the version stayed champion though no server follows, the step fails, so that it is tried again."""
    registry = at()
    registry.silent, registry.puts_back = True, False
    with pytest.raises(Unreachable):
        deployed(project())


def test_a_rollout_starts_without_its_server(
    project: Callable[..., Project], at: Callable[..., Registry]
) -> None:
    """A challenger that the servers do not know yet answers nobody, so its rollout stands; the verdict tells."""
    at().silent = True
    outcome = deployed(project(deployment=CANARY))
    assert (outcome.result, outcome.counts["fail"]) == ("pass", 1)


def test_a_version_has_one_rollout(project: Callable[..., Project], at: Callable[..., Registry]) -> None:
    """Deployed again, a version whose rollout is open changes nothing; one whose rollout ended is refused."""
    registry = at(moves=(moved("start", 1),))
    registry.now = State(champion=1, challenger=2, move=1)
    assert deployed(project(deployment=CANARY)) == verdict()
    ended = at(moves=(moved("start", 1), moved("roll back", 2, "roc_auc fell")))
    outcome = deployed(project(deployment=CANARY))
    assert (outcome.decision, outcome.result) == ("deploy", "fail")
    assert "version 2 had its rollout (roll back: roc_auc fell); train another one" in outcome.reason
    assert registry.calls == ended.calls == []
