"""What lets the body of a step run without Prefect and MLflow: a record that only remembers what was written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from regrow.base.verdict import Verdict
from regrow.project import Project
from regrow.registry import Move


@dataclass
class Remembered:
    """Stands for the MLflow run of a step."""

    url: str | None = None
    run_id: str = "run-1"
    inputs: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, object] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    """The events that were announced."""
    pages: dict[str, str] = field(default_factory=dict)
    """Markdown artifacts of Prefect, by key."""

    params: dict[str, object] = field(default_factory=dict)
    children: dict[str, dict[str, object]] = field(default_factory=dict)
    """Nested runs, by name: their parameters and metrics."""
    files: dict[str, str] = field(default_factory=dict)
    """Artifacts of MLflow, by name."""

    def log_input(self, snapshot: Any, context: str) -> None:
        self.inputs[context] = snapshot

    def log_text(self, text: str, name: str) -> None:
        self.files[name] = text

    def log_artifact(self, path: Path) -> None:
        self.files[path.name] = path.read_text(encoding="utf-8")

    def log_metrics(self, metrics: dict[str, float], at: int = 0) -> None:
        self.metrics |= metrics

    def log_params(self, params: dict[str, object]) -> None:
        self.params |= params

    def child(self, name: str, params: dict[str, object], metrics: dict[str, float]) -> None:
        self.children[name] = {**params, **metrics}

    def tag(self, **tags: object) -> None:
        self.tags |= tags

    def verdict(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    def announce(self, project: Project, kind: str, reason: str, **more: Any) -> SimpleNamespace:
        self.told.append({"kind": kind, "reason": reason, **more})
        return SimpleNamespace(id="event-1", about=more.get("about", ""))

    def announce_move(self, project: Project, move: Move) -> None:
        self.told.append({"kind": move.kind, "reason": move.reason})

    def show(self, markdown: str, key: str, description: str = "") -> None:
        self.pages[key] = markdown


@pytest.fixture
def remember(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], Remembered]:
    """Let the steps of a module write to a record that the test reads."""

    def make(module: ModuleType) -> Remembered:
        record = Remembered()
        monkeypatch.setattr(module, "current", lambda: record)
        stands_for = {
            "create_markdown_artifact": record.show,
            "announce": record.announce,
            "announce_move": record.announce_move,
            "past_shares": lambda run: [],
        }
        for name, stand_in in stands_for.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, stand_in)
        return record

    return make
