"""The command line: errors are one clean line, and nothing is done before the servers are known to answer."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from regrow.cli import _moment, app
from regrow.errors import RegrowError
from regrow.project import Project, json_schema


def run(*arguments: object, **environment: str):
    return CliRunner().invoke(app, [str(each) for each in arguments], env=environment)


def test_help_imports_nothing_heavy() -> None:
    """`regrow --help` loads neither Prefect nor MLflow nor pandas."""
    code = "import sys, regrow.cli; print({'prefect', 'mlflow', 'pandas', 'sklearn'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_check_accepts_a_good_file(project: Callable[..., Project]) -> None:
    """A file that is right gives one line and exit code 0."""
    result = run("check", project().path)
    assert result.exit_code == 0
    assert "predicts late with LogisticRegression" in result.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training": {"estimator": "sklearn.linear_model.logisticregression"}}, "did you mean"),
        ({"training": {"estimator": "sklearn.linear_model.Ridge", "parameters": {"alhpa": 1}}}, "alhpa"),
        ({"monitoring": {"schedule": "every day"}}, "monitoring.schedule"),
    ],
)
def test_check_says_what_is_wrong(project: Callable[..., Project], changes: dict, said: str) -> None:
    """Each mistake is one `error:` line on stderr, exit code 1, and no traceback."""
    result = run("check", project(**changes).path)
    assert result.exit_code == 1
    assert said in result.stderr
    assert all(line.startswith("error: ") for line in result.stderr.splitlines())


def test_an_unknown_expectation_is_named(project: Callable[..., Project]) -> None:
    """An expectation that does not exist is named with its place in the file."""
    data = {
        "source": {"kind": "csv", "path": "rows.csv"},
        "target": "late",
        "expectations": [{"expect": "expect_column_values_to_be_nice", "arguments": {"column": "size"}}],
    }
    result = run("check", project(data=data).path)
    assert "data.expectations.0.expect: expect_column_values_to_be_nice" in result.stderr


def test_schema_prints_the_schema() -> None:
    """`regrow schema` prints exactly what configs/schema.json holds."""
    assert run("schema").stdout == json_schema()


def test_servers_that_are_down_are_named_before_anything_is_done(
    project: Callable[..., Project], tmp_path: Path
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
    assert _moment("2024-04-01") == datetime(2024, 4, 1, tzinfo=UTC)


def test_a_date_that_does_not_parse_is_said() -> None:
    """A date that is none is an error that shows the right form."""
    with pytest.raises(RegrowError, match="2024-04-01"):
        _moment("next tuesday")
