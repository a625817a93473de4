"""The flow behind a rollback: what it hands on, and that its verdict is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.rollback import rollback
from regrow.base.errors import RegistryError
from regrow.base.verdict import Verdict

AT = datetime(2024, 3, 1, tzinfo=UTC)
DONE = Verdict(decision="roll back", result="pass", reason="the champion is version 1, it was 2")
module = import_module("flows.rollback")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Let the flow run without Prefect and MLflow; return what its parts were told, in order."""
    parts: list[tuple[object, ...]] = []

    @contextmanager
    def flow_run(*given: object) -> Iterator[SimpleNamespace]:
        parts.append(("run", *given))
        yield SimpleNamespace(
            actor="flow 7", as_of=AT, verdict=lambda verdict: parts.append(("verdict", verdict))
        )

    monkeypatch.setattr(module, "open_project", lambda config: f"project of {config}")
    monkeypatch.setattr(module, "flow_run", flow_run)
    monkeypatch.setattr(module, "roll_back", lambda *given: parts.append(("roll back", *given)) or DONE)
    return parts


@pytest.mark.parametrize("to", [None, 2])
def test_a_rollback_is_made_within_its_run(told: list[tuple[object, ...]], to: int | None) -> None:
    """The step gets the reason, the version, the run's actor and its moment; its verdict is the run's."""
    assert rollback.fn(Path("m.yaml"), "complaints", to, AT, "alarm") == DONE
    project = "project of m.yaml"
    assert told == [
        ("run", project, "alarm", AT),
        ("roll back", project, "complaints", to, "flow 7", AT),
        ("verdict", DONE),
    ]


def test_a_rollback_that_fails_has_no_verdict(
    told: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing to return to is an error of the run, never a verdict."""

    def fail(*_: object) -> Verdict:
        raise RegistryError("no version served well before this one")

    monkeypatch.setattr(module, "roll_back", fail)
    with pytest.raises(RegistryError, match="served well"):
        rollback.fn(Path("m.yaml"), "complaints")
    assert [part[0] for part in told] == ["run"]
