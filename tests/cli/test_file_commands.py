"""The commands on project files: what is right is one line, and so is each mistake."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loans import loans

from regrow.project import Project, json_schema

Run = Callable[..., Any]


def test_check_accepts_a_good_file(run: Run, project: Callable[..., Project]) -> None:
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
def test_check_says_what_is_wrong(
    run: Run, project: Callable[..., Project], changes: dict, said: str
) -> None:
    """Each mistake is one `error:` line on stderr, exit code 1, and no traceback."""
    result = run("check", project(**changes).path)
    assert result.exit_code == 1
    assert said in result.stderr
    assert all(line.startswith("error: ") for line in result.stderr.splitlines())


def test_an_unknown_expectation_is_named(run: Run, project: Callable[..., Project]) -> None:
    """An expectation that does not exist is named with its place in the file."""
    data = {
        "source": {"kind": "csv", "path": "rows.csv"},
        "target": "late",
        "expectations": [{"expect": "expect_column_values_to_be_nice", "arguments": {"column": "size"}}],
    }
    result = run("check", project(data=data).path)
    assert "data.expectations.0.expect: expect_column_values_to_be_nice" in result.stderr


def test_init_writes_a_file_and_says_what_it_found(run: Run, tmp_path: Path) -> None:
    """A table becomes a project file; what was found and what is unsure is printed, then what to do next."""
    loans(400).to_csv(tmp_path / "loans.csv", index=False)
    result = run("init", tmp_path / "loans.csv", "--target", "repaid", "--configs", tmp_path / "configs")
    assert result.exit_code == 0, result.stderr
    for said in ("`customer`, which recurs", "unsure", "regrow train"):
        assert said in result.stdout
    assert run("check", tmp_path / "configs" / "loans.yaml").exit_code == 0


def test_init_says_what_is_wrong(run: Run, tmp_path: Path) -> None:
    """A column that is not there is one error line, and nothing is written."""
    loans(400).to_csv(tmp_path / "loans.csv", index=False)
    result = run("init", tmp_path / "loans.csv", "--target", "Repaid", "--configs", tmp_path / "configs")
    assert result.exit_code == 1
    assert "did you mean `repaid`?" in result.stderr
    assert not (tmp_path / "configs").exists()


def test_schema_prints_the_schema(run: Run) -> None:
    """`regrow schema` prints exactly what configs/schema.json holds."""
    assert run("schema").stdout == json_schema()
