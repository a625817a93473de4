"""The step that measures missing and unseen values."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.models.results import ModelFacts
from regrow.project import Project
from tasks import measure_quality as module
from tasks.measure_quality import measure_quality

ROWS = 400


def frame(missing: int = 0) -> pd.DataFrame:
    """Draw features of which *missing* rows lack their size, and a target that no window has."""
    size = [None] * missing + [1.0] * (ROWS - missing)
    return pd.DataFrame({"size": pd.Series(size, dtype=float), "colour": "red", "late": 0})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))


def champion(training: Snapshot, holdout: Snapshot) -> SimpleNamespace:
    return SimpleNamespace(
        facts=ModelFacts(
            project="m", kind="regression", id=None, timestamp=None, training=training, holdout=holdout
        )
    )


@pytest.mark.parametrize(("reference", "failed"), [("training", 1.0), ("holdout", 0.0)])
def test_the_window_is_held_against_the_reference_of_the_file(
    project: Callable[..., Project], remember: Callable[[ModuleType], Any], reference: str, failed: float
) -> None:
    """Half of a column missing fails beside a whole reference, not beside one that lacks as much; both are linked."""
    record, made = remember(module), project(monitoring={"reference": reference})
    whole, holed = write_snapshot(frame()), write_snapshot(frame(ROWS // 2))
    features = frame(ROWS // 2).drop(columns="late")
    window: Any = SimpleNamespace(
        read=lambda: SimpleNamespace(features=features), shared_features=lambda _: list(features)
    )
    found = measure_quality.function(made, champion(whole, holed), window)  # pyright: ignore[reportArgumentType]
    assert found.figures["quality.columns"] == 2.0
    assert found.figures["quality.failed"] == failed == sum(finding.failed for finding in found.findings)
    assert {finding.subject for finding in found.findings} == {"quality"}
    assert record.metrics == found.figures
    assert record.inputs == {"window": window, "reference": whole if failed else holed}
