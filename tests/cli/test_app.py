"""What becomes of an error, and the exit codes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regrow.base.errors import StateError

Run = Callable[..., Any]


def test_help_imports_nothing_heavy() -> None:
    """`regrow --help` loads neither Prefect nor MLflow nor pandas."""
    code = "import sys, regrow.cli; print({'prefect', 'mlflow', 'pandas', 'sklearn'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let `regrow down` meet *error*."""

    def fail(_settings: object) -> None:
        raise error

    monkeypatch.setattr("regrow.services.stop_running", fail)


def test_an_error_of_regrow_is_red_lines(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What Regrow raises is printed line by line, exit code 1, without a traceback or a word on a log."""
    fail_with(monkeypatch, StateError("the folder is full\nmake room"))
    result = run("down", REGROW_HOME=str(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: the folder is full\n  make room\n"


def test_an_error_is_printed_as_it_is(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A name between colons, or in brackets, is text: no picture, and no markup."""
    fail_with(monkeypatch, StateError("metrics:key: no function; [bold]x[/bold]"))
    result = run("down", REGROW_HOME=str(tmp_path))
    assert result.stderr == "error: metrics:key: no function; [bold]x[/bold]\n"


def test_an_unknown_error_says_where_its_traceback_is(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What nobody foresaw is two lines, exit code 1, and the traceback is in the log that they name."""
    fail_with(monkeypatch, ZeroDivisionError("division by zero"))
    result = run("down", REGROW_HOME=str(tmp_path / "home"))
    log = tmp_path / "home" / "logs" / "commands.log"
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("error: ZeroDivisionError: division by zero\n")
    assert str(log) in result.stderr
    assert "Traceback" in log.read_text()


def test_a_log_that_cannot_be_written_loses_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a log to write to, the traceback is printed rather than lost."""
    fail_with(monkeypatch, ZeroDivisionError("division by zero"))
    (tmp_path / "file").write_text("")
    result = run("down", REGROW_HOME=str(tmp_path / "file"))
    assert result.exit_code == 1
    assert "Traceback" in result.stderr


def test_a_wrong_option_is_2(run: Run) -> None:
    """A command that is called wrongly ends with exit code 2 and its usage."""
    result = run("train")
    assert result.exit_code == 2
    assert "Usage" in result.stderr
