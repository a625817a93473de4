"""The commands of the flows, as a user runs them: what they print, for people and for programs."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regrow import registry
from regrow.base.settings import load_settings
from regrow.project import Project
from regrow.services import Services

REGROW = str(Path(sys.executable).with_name("regrow"))
Run = Callable[..., Any]
TRAINED, WATCHED = "2024-02-01", "2024-03-01"
PERIOD = ("--start", TRAINED, "--end", WATCHED)


@pytest.fixture(scope="module")
def log(services: Services) -> Path:
    return load_settings().home.absolute() / "logs" / "commands.log"


@pytest.mark.long
def test_a_training_is_told_in_a_short_table(
    services: Services, project: Callable[..., Project], log: Path
) -> None:
    """Decision, reason, figures, who answers now and the links, without a word of a library; those are in the log.

    It runs in a process of its own, in which no library has said anything yet.
    """
    made = project()
    done = subprocess.run([REGROW, "train", str(made.path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{made.name}: passed its gates"
    assert "now: version 1 is the champion" in lines
    assert any(line.startswith("Prefect run ") and "/runs/flow-run/" in line for line in lines)
    assert any(line.startswith("log of the libraries ") and str(log) in line for line in lines)
    for noise in ("Verdict(", "Finding(", "Warning", "INFO"):
        assert noise not in done.stdout
    assert f"train-{made.name}" in log.read_text()


@pytest.mark.long
def test_programs_read_one_json_object(
    run: Run, services: Services, project: Callable[..., Project], log: Path
) -> None:
    """With --json standard output is one object, for every flow, and so is that of a refused version: exit code 0."""
    made = project(
        evaluation={
            "primary": "roc_auc",
            "gates": [{"kind": "threshold", "metric": "roc_auc", "at_least": 0.999999}],
        }
    )
    refused = run("train", made.path, "--as-of", TRAINED, "--json")
    assert (refused.exit_code, refused.stderr) == (0, "")
    told = json.loads(refused.stdout)
    assert (told["command"], told["model"], told["verdict"]["result"]) == ("train", made.name, "fail")
    assert told["verdict"]["findings"][0]["limit"] == 0.999999
    assert told["state"]["champion"] is None
    assert set(told["links"]) == {"Prefect run"}  # These tests use MLflow without its server.

    waived = json.loads(run("train", made.path, "--as-of", TRAINED, "--json", "--override", "a test").stdout)
    assert waived["state"]["champion"] == 1
    scored = json.loads(run("score", made.path, *PERIOD, "--json").stdout)
    assert scored["scored"]["rows"] == scored["scored"]["new"] > 0
    for command in ("monitor", "retrain", "rollout"):
        done = run(command, made.path, "--as-of", WATCHED, "--json")
        assert (done.exit_code, done.stderr) == (0, "")
        told = json.loads(done.stdout)
        assert (told["command"], told["model"]) == (command, made.name)
        assert told["verdict"]["reason"]


@pytest.mark.long
def test_an_error_in_a_flow_is_one_line_and_a_log(
    services: Services, project: Callable[..., Project], log: Path
) -> None:
    """What Regrow raises within a flow reaches the user as its message alone, with exit code 1.

    It runs in a process of its own: in this one, Prefect has chosen where it logs to before.
    """
    made = project()
    command = [REGROW, "monitor", str(made.path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert "champion" in done.stderr
    assert "Traceback" not in done.stderr
    assert "RegistryError" in log.read_text()


@pytest.mark.long
def test_a_rollback_is_dated_by_as_of(run: Run, services: Services, project: Callable[..., Project]) -> None:
    """`rollback --as-of` writes that moment into the ledger, and tells what it did as a flow does."""
    made = project(
        evaluation={"primary": "roc_auc", "gates": []},
        deployment={"server": False, "rollout": {"kind": "replace"}},
    )
    for moment in ("2024-02-15", "2024-03-02"):
        assert run("train", made.path, "--as-of", moment, "--override", moment).exit_code == 0
    champion = registry.state(made.name).champion
    done = run("rollback", made.name, "--reason", "a test", "--as-of", "2024-03-05", "--to", "1", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (champion, told["state"]["champion"]) == (2, 1)
    assert f"{registry.ledger(made.name)[-1].as_of:%Y-%m-%d}" == "2024-03-05"
