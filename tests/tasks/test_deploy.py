"""Who takes over: nobody without a pass, at once or by a rollout, and never twice."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from regrow.base.errors import Unreachable
from regrow.base.verdict import Result, Verdict
from regrow.project import Project
from regrow.registry import Ledger, Move, State, Version
from tasks import deploy as module
from tasks.deploy import carry_out

NOW = datetime(2024, 3, 1, tzinfo=UTC)
VERSION = Version(name="m", number=2, model_id="m-2", run_id="r", tags={})
CANARY = {"server": False, "rollout": {"kind": "canary"}}
SILENT = Unreachable("no server answers")


def moved(kind: str, state: State, reason: str = "", day: int = 1) -> Move:
    """Make the move that led to *state*, on a *day* of February; version 2 is what it is about."""
    moment = datetime(2024, 2, day, tzinfo=UTC)
    about = {"actor": "ada", "at": moment, "as_of": moment, "version": 2, "kind": kind, "reason": reason}
    return Move.model_validate({"number": state.move, "id": str(state.move), "state": state} | about)


FIRST = moved("promote", State(champion=1, move=1))
STARTED = moved("start", State(champion=1, challenger=2, move=2))
ROLLED_BACK = moved("roll back", State(champion=1, move=3), "roc_auc fell")


class Registry:
    """A registry that remembers the moves that were asked for, and whose servers may be silent."""

    def __init__(self, *moves: Move, silent: bool = False, puts_back: bool = True) -> None:
        self.found, self.asked = Ledger("m", moves=moves), []
        self.silent, self.puts_back = silent, puts_back

    def reconcile(self, _: str) -> Ledger:
        return self.found

    def ledger(self, _: str) -> Ledger:
        return self.found

    def state(self, _: str) -> State:
        return self.found.state

    def promote(self, _: str, number: int, *rest: object) -> None:
        self.asked.append("promote")
        if self.silent:
            if not self.puts_back:
                self.found = Ledger(
                    "m", moves=(*self.found, moved("promote", State(champion=number, move=2)))
                )
            raise SILENT

    def start_rollout(self, *_: object) -> None:
        self.asked.append("start")

    def confirm(self, _: State) -> None:
        if self.silent:
            raise SILENT


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    def make(*moves: Move, **how: bool) -> Registry:
        registry = Registry(*moves, **how)
        monkeypatch.setattr(module, "registry", registry)
        monkeypatch.setattr(module, "confirmation", lambda _: registry.confirm)
        return registry

    return make


def verdict(result: Result = "pass") -> Verdict:
    return Verdict(decision="promote", result=result, reason="as measured")


def deployed(project: Project, result: Result = "pass") -> Verdict:
    return carry_out(project, VERSION, verdict(result), "ada", NOW)


@pytest.mark.parametrize("result", ["fail", "undecided"])
def test_only_a_pass_takes_over(
    project: Callable[..., Project], at: Callable[..., Registry], result: Result
) -> None:
    """A verdict that failed or is undecided moves nothing, not even the first version, and is handed on as it is."""
    registry = at()
    assert deployed(project(), result) == verdict(result)
    assert registry.asked == []


def test_the_first_version_serves_at_once(
    project: Callable[..., Project], at: Callable[..., Registry]
) -> None:
    """Without a champion there is nobody to compare with on live traffic, whatever rollout the file asks for."""
    registry = at()
    assert deployed(project(deployment=CANARY)).passed
    assert registry.asked == ["promote"]


def test_a_successor_starts_the_rollout_of_the_file(
    project: Callable[..., Project], at: Callable[..., Registry]
) -> None:
    """Beside a champion a version goes through the rollout that the file asks for; without one it replaces it."""
    registry = at(FIRST)
    assert deployed(project(deployment=CANARY)).passed
    assert registry.asked == ["start"]
    registry = at(FIRST)
    assert deployed(project()).passed
    assert registry.asked == ["promote"]


def test_what_no_server_confirms_is_put_back(
    project: Callable[..., Project], at: Callable[..., Registry]
) -> None:
    """A promotion that the servers do not follow fails, says why, and keeps what the gates measured."""
    at(FIRST, silent=True)
    outcome = deployed(project())
    assert (outcome.decision, outcome.result) == ("deploy", "fail")
    assert outcome.reason == "put back: no server answers"
    assert [finding.rule for finding in outcome.failures] == ["the model server follows"]


def test_what_could_not_be_put_back_is_an_error(
    project: Callable[..., Project], at: Callable[..., Registry]
) -> None:
    """If the version stayed champion though no server follows, the step fails, so that it is tried again."""
    at(FIRST, silent=True, puts_back=False)
    with pytest.raises(Unreachable):
        deployed(project())


def test_a_rollout_starts_without_its_server(
    project: Callable[..., Project], at: Callable[..., Registry]
) -> None:
    """A challenger that the servers do not know yet answers nobody, so its rollout stands; the verdict tells."""
    at(FIRST, silent=True)
    outcome = deployed(project(deployment=CANARY))
    assert (outcome.result, outcome.counts["fail"]) == ("pass", 1)


def test_a_version_has_one_rollout(project: Callable[..., Project], at: Callable[..., Registry]) -> None:
    """Deployed again, a version whose rollout is open changes nothing; one whose rollout ended is refused."""
    registry = at(FIRST, STARTED)
    assert deployed(project(deployment=CANARY)) == verdict()
    ended = at(FIRST, STARTED, ROLLED_BACK)
    outcome = deployed(project(deployment=CANARY))
    assert (outcome.decision, outcome.result) == ("deploy", "fail")
    assert "version 2 had its rollout (roll back: roc_auc fell); train another one" in outcome.reason
    assert registry.asked == ended.asked == []


def test_a_champion_that_nobody_compared_with_stays(
    project: Callable[..., Project], at: Callable[..., Registry]
) -> None:
    """A late run of January is judged against January's champion: it does not replace who has served since."""
    registry = at(FIRST, moved("promote", State(champion=3, move=2), day=15))
    outcome = carry_out(project(), VERSION, verdict(), "ada", datetime(2024, 2, 7, tzinfo=UTC))
    assert (outcome.decision, outcome.result) == ("deploy", "fail")
    assert "version 3 serves since" in outcome.reason
    assert registry.asked == []


@pytest.mark.parametrize(
    ("result", "actor", "told"),
    [
        ("fail", "ada", ["version.refused"]),
        ("pass", "ada", ["promote"]),
        ("pass", "another run", []),
        ("undecided", "ada", ["version.refused"]),
    ],
)
def test_what_became_of_a_version_is_told(
    at: Callable[..., Registry],
    project: Callable[..., Project],
    remember: Callable[..., Any],
    result: Result,
    actor: str,
    told: list[str],
) -> None:
    """A refusal is; a move is told by the run that made it, not by one that finds it made."""
    record = remember(module)
    at(moved("promote", State(champion=2, move=2)))
    module.tell(project(), VERSION, verdict(result), actor)
    assert [each["kind"] for each in record.told] == told
