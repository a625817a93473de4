"""An empty home for every test, and rows of a prediction log."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from regrow.data.delta import TIME

START = pd.Timestamp("2026-01-01", tz="UTC")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def rows() -> Callable[..., pa.Table]:
    """Make rows p0, p1 … a minute apart, as they were logged before there were rollouts."""

    def make(count: int, first: int = 0, **features: object) -> pa.Table:
        times = pa.array([START + pd.Timedelta(minutes=first + i) for i in range(count)], TIME)
        return pa.table(
            {
                "prediction_id": [f"p{first + i}" for i in range(count)],
                "entity_id": [str(first + i) for i in range(count)],
                "event_time": times,
                "served_at": times,
                "model": ["demo"] * count,
                "version": pa.array([1] * count, pa.int64()),
                "features": pa.array([features or {"size": 1.0, "colour": "red"}] * count),
                "prediction": pa.array([[0.25, 0.75]] * count, pa.list_(pa.float64())),
            }
        )

    return make


@pytest.fixture(scope="session")
def rollout_rows(rows: Callable[..., pa.Table]) -> pa.Table:
    """p0, answered by the challenger; p1, its shadow by the champion; p2, which the challenger could not answer."""
    added = {
        "role": ["challenger", "shadow", "champion"],
        "rollout": ["r1"] * 3,
        "stage": [1] * 3,
        "fallback": [None, None, "timeout"],
        "shadow_of": [None, "p0", None],
    }
    return pa.table(dict(zip(rows(0).column_names, rows(3).columns, strict=True)) | added)
