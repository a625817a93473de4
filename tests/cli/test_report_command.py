"""`regrow report` finds the run whose figures it draws."""

from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from regrow.base.errors import RegistryError
from regrow.cli.report_command import find_drift_run


class Client:
    """A client of one experiment with the runs of one monitoring, `flow`, and its drift, by key."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def get_experiment_by_name(self, name: str) -> SimpleNamespace | None:
        return SimpleNamespace(experiment_id="1") if name == "m" else None

    def get_run(self, run_id: str) -> SimpleNamespace:
        if run_id != "mlflow-run":
            raise MlflowException("no such run", RESOURCE_DOES_NOT_EXIST)
        return SimpleNamespace(data=SimpleNamespace(tags={"prefect.flow_run_id": "flow"}))

    def search_runs(self, _: list[str], wanted: str, **__: object) -> list[str]:
        if "regrow.step" in wanted:
            return list(self.keys[-1:])
        return [key for key in self.keys if f"'{key}'" in wanted]


@pytest.mark.parametrize("run", [None, "flow", "mlflow-run"])
def test_a_run_is_named_by_prefect_or_mlflow_or_is_the_last(run: str | None) -> None:
    """Whichever id is at hand finds the run of the step that keeps the figures."""
    client: Any = Client("flow", "flow/measure_drift")
    assert find_drift_run(client, "m", run) == "flow/measure_drift"


@pytest.mark.parametrize(
    ("name", "run", "told"),
    [
        ("other", None, "MLflow knows no such model"),
        ("m", None, "no monitoring run"),
        ("m", "x", "run x measured no drift"),
    ],
)
def test_what_is_not_there_is_told(name: str, run: str | None, told: str) -> None:
    """The error says what is missing and which command helps."""
    client: Any = Client()
    with pytest.raises(RegistryError, match=told):
        find_drift_run(client, name, run)
