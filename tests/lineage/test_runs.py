"""Finding MLflow's runs by key, with a client that remembers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from regrow.lineage import runs
from regrow.lineage.runs import (
    find_experiment,
    find_parent,
    flow_run_of,
    name_actor,
    open_run,
    parent_known,
    run_url,
)


class Remembering:
    """A client of one experiment and its runs; a creation may fail because somebody else came first."""

    def __init__(self, experiment: str | None = None, beaten: bool = False, broken: bool = False) -> None:
        self.experiment, self.beaten, self.broken = experiment, beaten, broken
        self.runs: dict[str, dict[str, str]] = {}
        self.locations: list[str | None] = []
        self.asked = 0

    def get_experiment_by_name(self, _: str) -> SimpleNamespace | None:
        self.asked += 1
        return None if self.experiment is None else SimpleNamespace(experiment_id=self.experiment)

    def create_experiment(self, _: str, artifact_location: str | None) -> str:
        if self.beaten or self.broken:
            self.experiment = "theirs" if self.beaten else None
            raise MlflowException("it cannot be created")
        self.locations.append(artifact_location)
        return "ours"

    def create_run(self, _: str, run_name: str, tags: dict[str, str]) -> SimpleNamespace:
        identifier = f"r{len(self.runs)}"
        self.runs[identifier] = {**tags, "name": run_name}
        return SimpleNamespace(info=SimpleNamespace(run_id=identifier))

    def update_run(self, run_id: str, status: str) -> None:
        self.runs[run_id]["status"] = status

    def log_batch(self, run_id: str, tags: list[Any]) -> None:
        self.runs[run_id] |= {tag.key: tag.value for tag in tags}

    def search_runs(self, _: list[str], wanted: str, **__: object) -> list[SimpleNamespace]:
        self.asked += 1
        found = [
            each
            for each, tags in self.runs.items()
            if wanted == f"tags.`regrow.key` = '{tags['regrow.key']}'"
        ]
        return [SimpleNamespace(info=SimpleNamespace(run_id=each)) for each in found]


def client(**options: Any) -> Any:
    """Return a remembering client as MLflow's; what this process has remembered itself is no matter here."""
    return cast(MlflowClient, Remembering(**options))


@pytest.fixture(autouse=True)
def at_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the settings at a tracking server, and forget which experiments were found before."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.test")
    monkeypatch.setattr(runs, "_experiments", {})


def test_an_experiment_is_found_once() -> None:
    """Its id never changes, so the server is asked once; on another server the name is another experiment."""
    found = client(experiment="7")
    assert [find_experiment(found, "demo") for _ in range(3)] == ["7"] * 3
    assert found.asked == 1


def test_the_server_decides_where_artifacts_are_and_a_store_in_a_file_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a server the artifacts get an absolute place, because a relative one would follow the process."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    made = client()
    assert find_experiment(made, "demo") == "ours"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///x.db")
    assert find_experiment(made, "demo") == "ours"
    assert made.locations == [None, (tmp_path / "artifacts" / "demo").as_uri()]


def test_of_two_who_create_an_experiment_one_finds_the_others() -> None:
    """Who comes second takes the experiment of the first; any other failure is passed on."""
    assert find_experiment(client(beaten=True), "demo") == "theirs"
    with pytest.raises(MlflowException, match="it cannot be created"):
        find_experiment(client(broken=True), "other")


def test_one_key_is_one_run() -> None:
    """A step that is repeated goes on in its run, which is running again and has the tags of the second time."""
    made = client()
    first = open_run(made, "1", "flow/step", "step", {"regrow.flow": "train"})
    again = open_run(made, "1", "flow/step", "step", {"regrow.flow": "retrain"})
    other = open_run(made, "1", "flow/other", "other", {})
    assert first == again != other
    assert (made.runs[first]["status"], made.runs[first]["regrow.flow"]) == ("RUNNING", "retrain")
    assert "status" not in made.runs[other]
    assert all(tags["regrow.process"] for tags in made.runs.values())


def test_a_parent_is_known_while_its_flow_runs() -> None:
    """Within the block no server is asked, also if it ends by an error; outside it the run is searched for."""
    made = client()
    with pytest.raises(ZeroDivisionError), parent_known("flow", "r9"):
        assert find_parent(made, "1", "flow") == "r9"
        assert made.asked == 0
        raise ZeroDivisionError
    assert find_parent(made, "1", "flow") is None
    opened = open_run(made, "1", "flow", "train", {})
    assert find_parent(made, "1", "flow") == opened


def test_a_run_has_a_page_only_on_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store in a file has no pages."""
    assert run_url("1", "r2") == "http://mlflow.test/#/experiments/1/runs/r2"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///x.db")
    assert run_url("1", "r2") is None


@pytest.mark.parametrize("trigger", ["manual", "alarm", "a (very) odd one", "", "two\nlines"])
def test_the_ledger_names_a_flow_run_so_that_it_is_found(trigger: str) -> None:
    """The id comes back from the name; a person's name holds none."""
    identifier = str(uuid4())
    assert flow_run_of(name_actor(identifier, trigger)) == identifier
    assert flow_run_of("ada at work, rollback 1234") is None
