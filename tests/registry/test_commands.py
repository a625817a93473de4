"""The commands that move a rollout by hand, on a real MLflow store."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from regrow import registry
from regrow.cli import app
from regrow.project import Canary
from regrow.registry import State

Versions = Callable[[str, int], str]
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def model(name: str, with_versions: Versions, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a model with an open rollout, and no model server anywhere near."""
    monkeypatch.setenv("REGROW_SERVER_PORT", "9")
    with_versions(name, 2)
    registry.promote(name, 1, "ada", "first")
    registry.start_rollout(name, 2, Canary(kind="canary"), "flow 1", "passed", AS_OF)
    return name


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "220"})
    assert result.exit_code == 0, result.output
    return result.output


def test_pause_and_resume(model: str) -> None:
    """Each says what it did, and the second time that nothing was to do."""
    assert run("pause", model, "--reason", "holiday") == "paused\n"
    assert run("pause", model, "--reason", "holiday") == "was paused already\n"
    assert run("resume", model, "--reason", "back") == "goes on\n"
    assert run("resume", model, "--reason", "back") == "was not paused\n"


def test_rollback_twice_and_back_again(model: str) -> None:
    """The first ends the rollout, with the same words the second moves the champion, and --to restores it."""
    registry.finish(model, registry.state(model), "flow 2", "proven", promoted=True)
    said = run("rollback", model, "--reason", "complaints")
    assert "the champion is version 1, it was 2; no server was asked" in said
    assert registry.state(model) == State(champion=1, move=4)
    run("rollback", model, "--reason", "complaints", "--to", "2")
    assert registry.state(model) == State(champion=2, move=5)
    run("rollback", model, "--reason", "complaints")
    assert registry.state(model) == State(champion=1, move=6)


def test_rollback_of_an_open_rollout(model: str) -> None:
    """The champion stays, and the line says so."""
    said = run("rollback", model, "--reason", "it smells")
    assert "the rollout of version 2 has ended, version 1 answers everything" in said


def test_nothing_to_roll_back_to_is_an_error(model: str) -> None:
    """Without an earlier version the command fails with a line that says what to do, and changes nothing."""
    run("rollback", model, "--reason", "it smells")
    result = CliRunner().invoke(app, ["rollback", model, "--reason", "more"])
    assert result.exit_code == 1
    assert "no version served well before this one" in result.stderr
    assert registry.state(model).move == 3


def test_the_ledger_tells_every_move(model: str) -> None:
    """Who, why, when, from which version to which, and the rows answered meanwhile; an unknown name is an error."""
    run("pause", model, "--reason", "holiday")
    table = run("ledger", model)
    told = [" ".join(line.split()[:1] + line.split()[3:]) for line in table.splitlines() if line[0].isdigit()]
    assert told == ["1 promote 1 - -> 1 - 0", "2 start 2 1 2 at 5% 0", "3 pause 2 1 2 at 5%, paused 0"]
    assert "holiday" in table
    result = CliRunner().invoke(app, ["ledger", "nobody"])
    assert (result.exit_code, "no move was ever made" in result.stderr) == (1, True)
