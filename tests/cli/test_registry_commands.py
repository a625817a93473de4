"""The ledger as lines of text, and what the commands on a rollout answer; `tests/registry` runs them on a store."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regrow import registry
from regrow.cli import registry_commands
from regrow.cli.registry_commands import ledger_lines
from regrow.project import Canary
from regrow.registry.state import Move, MoveKind, Rollout, State

AT = datetime(2024, 3, 1, tzinfo=UTC)
VERSION = st.integers(1, 99_999)


def made(kind: MoveKind = "start", before: int | None = 1, paused: bool = False, **changes: Any) -> Move:
    """Make a move, by default the start of a rollout at 5%; *changes* replace fields of the move."""
    plan = Canary(kind="canary", weights=(0.05, 0.5))
    rollout = Rollout(id="v2-a", plan=plan, stage=0, since=AT, began=AT, paused=paused)
    fields: dict[str, Any] = {
        "number": 2,
        "id": "x",
        "at": AT,
        "as_of": AT,
        "actor": "ada",
        "reason": "passed",
        "version": 2,
        "state": State(champion=1, challenger=2, rollout=rollout, move=2),
        "rows": 1234,
    }
    return Move(kind=kind, before=before, **(fields | changes))


def test_a_move_is_a_line_and_its_reason() -> None:
    """What it did stands under its heading; who made it, when and why, below."""
    heading, line, why = ledger_lines([made(paused=True)])
    assert [line[heading.index(name) :].split("  ")[0].strip() for name in ("move", "what", "version")] == [
        "2",
        "start",
        "2",
    ]
    assert line[heading.index("challenger") :].startswith("2 at 5%, paused")
    assert line.endswith("1,234")
    assert why == "      ada, 2024-03-01 00:00:00: passed"


@given(VERSION, VERSION, VERSION, st.booleans(), st.none() | st.integers(0, 10**9))
def test_columns_never_run_into_each_other(
    before: int, champion: int, challenger: int, paused: bool, rows: int | None
) -> None:
    """However large the versions, a line says which champion followed which, who challenges, and how many rows."""
    state = made(paused=paused).state.model_copy(update={"champion": champion, "challenger": challenger})
    line = list(ledger_lines([made("finish", before, state=state, version=challenger, rows=rows)]))[1]
    champions = [str(champion)] if before == champion else [str(before), "->", str(champion)]
    held = [str(challenger), "at", *(["5%,", "paused"] if paused else ["5%"])]
    counted = "?" if rows is None else f"{rows:,}"
    assert line.split()[3:] == ["finish", str(challenger), *champions, *held, counted]


@given(st.text(st.characters(codec="ascii")), st.integers(20, 120))
def test_a_reason_of_any_length_stays_within_the_width(reason: str, width: int) -> None:
    """A long reason goes on below itself, indented, so that no other move's line is broken."""
    lines = list(ledger_lines([made(reason=reason), made(reason="next")], width))
    reasons = [line for line in lines[1:] if line.startswith(" ")]
    assert all(len(line) <= width for line in reasons)
    assert sum(not line.startswith(" ") for line in lines) == 3


def test_without_a_version_a_dash_stands_in_its_place() -> None:
    """The first champion had none before it; after a rollback to none there is none."""
    first = made("promote", None, state=State(champion=1, move=1), version=1, rows=None)
    gone = made("by hand", 1, state=State(move=2), version=None)
    assert [line.split()[3:] for line in ledger_lines([first, gone]) if line[0].isdigit()] == [
        ["promote", "1", "-", "->", "1", "-", "?"],
        ["by", "hand", "-", "1", "->", "-", "-", "1,234"],
    ]


@pytest.mark.parametrize(
    ("command", "move", "said"),
    [
        ("pause", "a move", "paused\n"),
        ("pause", None, "was paused already\n"),
        ("resume", "a move", "goes on\n"),
        ("resume", None, "was not paused\n"),
    ],
)
def test_a_command_says_whether_it_moved(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, command: str, move: str | None, said: str
) -> None:
    """Name, user and reason reach the registry, and a second time is told apart from the first."""
    told: list[tuple[str, ...]] = []
    monkeypatch.setattr(registry_commands, "reach_servers", lambda prefect: SimpleNamespace())
    monkeypatch.setattr(registry_commands, "user", lambda: "ada")
    monkeypatch.setattr(registry, command, lambda *given: told.append(given) or move)
    result = run(command, "demo", "--reason", "holiday")
    assert (result.exit_code, result.stdout) == (0, said)
    assert told == [("demo", "ada", "holiday")]


def test_a_model_without_moves_is_an_error(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty ledger is most often a wrong name: the command says so and fails."""
    monkeypatch.setattr(registry_commands, "reach_servers", lambda prefect: SimpleNamespace())
    monkeypatch.setattr(registry, "ledger", lambda _: [])
    result = run("ledger", "nobody")
    assert (result.exit_code, "nobody: no move was ever made" in result.stderr) == (1, True)


def test_a_trace_is_printed_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person's reason, or an entity, may hold brackets and colons: they are no markup."""
    monkeypatch.setattr(registry_commands, "reach_servers", lambda **_: None)
    monkeypatch.setattr(
        "regrow.lineage.trace.trace", lambda _: [("approved by", "ada: [ticket 7] :key: [/done]")]
    )
    registry_commands.trace("models:/flights/1")
    assert "ada: [ticket 7] :key: [/done]" in capsys.readouterr().out


def test_an_address_in_a_trace_is_whole_in_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is longer than the line goes on in the next one: it is not cut short."""
    address = f"http://127.0.0.1:5000/#/experiments/1/runs/{'0123456789abcdef' * 6}"
    monkeypatch.setattr(registry_commands, "reach_servers", lambda **_: None)
    monkeypatch.setattr("regrow.lineage.trace.trace", lambda _: [("training run", address)])
    registry_commands.trace("models:/flights/1")
    assert address in "".join(capsys.readouterr().out.replace("training run", "").split())
