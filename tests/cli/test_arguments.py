"""What is checked before a command works."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from regrow.base.errors import RegrowError
from regrow.cli.arguments import read_moment
from regrow.project import Project


def test_servers_that_are_down_are_named_before_anything_is_done(
    run: Callable[..., Any], project: Callable[..., Project], tmp_path: Path
) -> None:
    """Without Prefect, a flow command says to start `regrow up` and leaves no state behind."""
    down = "http://127.0.0.1:1"
    home = tmp_path / "home"
    environment = {"PREFECT_API_URL": f"{down}/api", "MLFLOW_TRACKING_URI": down, "REGROW_HOME": str(home)}
    result = run("train", project().path, **environment)
    assert result.exit_code == 1
    assert "regrow up" in result.stderr
    assert not home.exists()


def test_a_moment_without_an_offset_is_utc() -> None:
    """A naive --as-of is read as UTC."""
    assert read_moment("2024-04-01") == datetime(2024, 4, 1, tzinfo=UTC)


def test_a_date_that_does_not_parse_is_said() -> None:
    """A date that is none is an error that shows the right form."""
    with pytest.raises(RegrowError, match="2024-04-01"):
        read_moment("next tuesday")
