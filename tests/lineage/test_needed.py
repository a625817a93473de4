"""What must stay of a model, however old."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from regrow.base.errors import RegistryError
from regrow.lineage import needed
from regrow.lineage.needed import models_of, needed_of, snapshots_needed
from regrow.registry import Ledger, Move, State

NOW = datetime(2024, 3, 1, tzinfo=UTC)


class Page(list[Any]):
    """A page of results as MLflow returns it: a list with a token."""

    token = ""


class Client:
    """A client of a model with two versions: the first's run is gone, the second's was made by the flow run `made`."""

    def search_model_versions(self, *_: object, **__: object) -> list[SimpleNamespace]:
        shared = {"name": "m", "source": "models:/m-1"}
        return [
            SimpleNamespace(version="1", run_id="gone", tags={"regrow.flow_run": "asked"}, **shared),
            SimpleNamespace(version="2", run_id="there", tags={}, **shared),
        ]

    def get_run(self, run_id: str) -> SimpleNamespace:
        if run_id == "gone":
            raise MlflowException("gone", RESOURCE_DOES_NOT_EXIST)
        return SimpleNamespace(data=SimpleNamespace(tags={"prefect.flow_run_id": "made"}))

    def get_experiment_by_name(self, _: str) -> SimpleNamespace:
        return SimpleNamespace(experiment_id="1")

    def search_runs(self, _: list[str], wanted: str, **__: object) -> Page:
        digest = "by-asked" if "'asked'" in wanted else "by-made"
        dataset = SimpleNamespace(profile=json.dumps({"sha256": digest}))
        return Page(
            [SimpleNamespace(inputs=SimpleNamespace(dataset_inputs=[SimpleNamespace(dataset=dataset)]))]
        )

    def search_registered_models(self, max_results: int, page_token: str | None) -> Page:
        page = Page([SimpleNamespace(name=f"m{page_token or 0}")])
        page.token = "" if page_token else "1"
        return page


CLIENT: Any = Client()


def test_what_the_ledger_and_the_versions_name_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions that served or challenged, flow runs that moved or made one; a run that is gone names none."""

    def move(number: int, actor: str, **state: Any) -> Move:
        about = {"number": number, "id": "x", "at": NOW, "as_of": NOW, "actor": actor, "reason": "r"}
        return Move.model_validate({**about, "kind": "promote", "state": State(**state, move=number)})

    moves = (move(1, "flow f1 (manual)", champion=3), move(2, "ada", champion=3, challenger=5))
    monkeypatch.setattr(needed.registry, "ledger", lambda _: Ledger("m", {"mine": 9}, moves=moves))
    found = needed_of(CLIENT, "m")
    assert found.flow_runs == {"f1", "asked", "made"}
    assert found.versions == {3, 5, 9}
    assert found.rollout is None


def test_snapshots_of_versions_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the model was made from, and those that the steps of its flow runs read; none of a foreign model."""
    part = SimpleNamespace(digest="facts")
    monkeypatch.setattr(needed.registry, "read_facts", lambda _: SimpleNamespace(training=part, holdout=part))
    assert snapshots_needed(CLIENT, "m") == {"facts", "by-asked", "by-made"}

    def refuse(_: str) -> None:
        raise RegistryError("not logged by Regrow")

    monkeypatch.setattr(needed.registry, "read_facts", refuse)
    assert snapshots_needed(CLIENT, "m") == {"by-asked", "by-made"}


def test_every_registered_model_is_listed() -> None:
    """Page by page."""
    assert models_of(CLIENT) == ["m0", "m1"]
