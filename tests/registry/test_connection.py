"""Reaching MLflow: a failure is never an absent version, and a server that is gone is told quickly."""

from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
)

from regrow.base.errors import RegistryError, Unreachable
from regrow.registry import connection
from regrow.registry.connection import connect, is_absent, reaching, twice

URI = "http://mlflow.test:5000"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Point the settings at a server that always answers; return the addresses that were asked."""
    addresses: list[str] = []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", URI)
    monkeypatch.setattr(connection, "_answered", {})
    monkeypatch.setattr(connection, "why_silent", addresses.append)
    monkeypatch.setattr(connection.mlflow, "get_tracking_uri", lambda: URI)
    return addresses


def test_a_server_that_answered_is_not_asked_again_at_once(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step connects a dozen times and asks once; after a while it asks again."""
    assert {connect().tracking_uri for _ in range(3)} == {URI}
    assert asked == [f"{URI}/health"]
    monkeypatch.setattr(connection, "FRESH", -1.0)
    connect()
    assert asked == [f"{URI}/health"] * 2


def test_a_silent_server_is_named_each_time(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The error holds the address, the reason and what to do, and the failure is not taken to hold."""
    monkeypatch.setattr(connection, "why_silent", lambda _: "connection refused")
    for _ in range(2):
        with pytest.raises(Unreachable, match=rf"{URI} \(connection refused\); start it with `regrow up`"):
            connect()


def test_a_store_without_a_server_is_not_asked(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """MLflow may keep its records in a file: there is nobody to ask."""
    monkeypatch.setattr(connection.mlflow, "set_tracking_uri", lambda _: None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri := f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert connect().tracking_uri == uri
    assert asked == []


def test_a_failing_registry_is_unreachable_and_nothing_else(asked: list[str]) -> None:
    """MLflow's failure says what was tried, its refusal is not an outage, an error of another kind is passed on."""
    with (
        pytest.raises(Unreachable, match=f"state of demo: MLflow at {URI} failed .*down"),
        reaching("state of demo"),
    ):
        raise MlflowException("down", INTERNAL_ERROR)
    with (
        pytest.raises(RegistryError, match=f"state of demo: MLflow at {URI} refused it .*too long"),
        reaching("state of demo"),
    ):
        raise MlflowException("too long", INVALID_PARAMETER_VALUE)
    with pytest.raises(ZeroDivisionError), reaching("state of demo"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (RESOURCE_DOES_NOT_EXIST, True),
        (INVALID_PARAMETER_VALUE, True),
        (INTERNAL_ERROR, False),
        (RESOURCE_ALREADY_EXISTS, False),
    ],
)
def test_only_what_does_not_exist_is_absent(code: int, absent: bool) -> None:
    """MLflow has two codes for it; every other one is trouble."""
    assert is_absent(MlflowException("it", code)) is absent


@pytest.mark.parametrize(
    ("failures", "calls", "fails"),
    [
        ([], 1, False),
        ([INTERNAL_ERROR], 2, False),
        ([INTERNAL_ERROR, INTERNAL_ERROR], 2, True),
        ([RESOURCE_DOES_NOT_EXIST], 1, True),
    ],
)
def test_a_collision_is_written_again_once(failures: list[int], calls: int, fails: bool) -> None:
    """Two first writers collide, so the second write counts; what is absent stays so."""
    made: list[int] = []

    def write() -> None:
        made.append(len(made))
        if len(made) <= len(failures):
            raise MlflowException("collided", failures[len(made) - 1])

    if fails:
        with pytest.raises(MlflowException, match="collided"):
            twice(write)
    else:
        twice(write)
    assert len(made) == calls
