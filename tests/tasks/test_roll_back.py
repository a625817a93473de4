"""The step behind a rollback by hand: what it asks for, and what it leaves to read."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from regrow.base.verdict import Verdict
from regrow.project import Project
from tasks import roll_back as module
from tasks.roll_back import roll_back

NOW = datetime(2024, 3, 1, tzinfo=UTC)
MOVE = SimpleNamespace(kind="roll back", reason="complaints")
DONE = Verdict(decision="roll back", result="pass", reason="the champion is version 1, it was 2")


@pytest.mark.parametrize(("server", "url"), [(True, "http://server"), (False, None)])
def test_the_server_is_asked_only_if_the_file_has_one(
    project: Callable[..., Project],
    remember: Callable[[ModuleType], Any],
    monkeypatch: pytest.MonkeyPatch,
    server: bool,
    url: str | None,
) -> None:
    """A model without a server is not waited for; reason, target, actor and moment are handed on as given."""
    moves: list[tuple[object, ...]] = []
    proofs: list[tuple[object, ...]] = []
    record, made = remember(module), project(deployment={"server": server, "timeout": "7s"})
    monkeypatch.setattr(module, "load_settings", lambda: SimpleNamespace(server_url="http://server"))
    monkeypatch.setattr(module.registry, "roll_back", lambda *args: moves.append(args) or MOVE)
    monkeypatch.setattr(module, "prove_rollback", lambda *args: proofs.append(args) or DONE)
    assert roll_back.function(made, "complaints", 1, "ada", NOW) == DONE
    assert moves == [(made.name, "ada", "complaints", 1, NOW)]
    assert proofs == [(made.name, MOVE, url, 7.0)]
    assert record.verdicts == [DONE]
    assert record.told == [{"kind": "roll back", "reason": "complaints"}]
    assert DONE.reason in record.pages[f"rollback-{made.name}"]
