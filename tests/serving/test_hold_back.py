"""A hold-back on a real server: what clients are told, what is logged, and what a restart changes of it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from scipy.stats import binom
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from regrow.data.predictions import read_predictions
from regrow.decisions.hold_back import is_held_back
from regrow.registry.state import State

SHARE, NAME = 0.1, "held"
ENTITIES = [f"e{number}" for number in range(5_000)]


def ask(server: Any, names: list[str], model: str = NAME, **headers: str) -> dict[str, Any]:
    """Return what *server* answers to a row of each of *names*."""
    rows = {
        "columns": ["carrier", "distance", "hour", "row"],
        "data": [["AA", 900.0, 17, name] for name in names],
    }
    url = f"{server.url}/models/{model}/invocations"
    answer = httpx.post(url, json={"dataframe_split": rows}, headers=headers, timeout=60)
    return answer.raise_for_status().json()


def roll_out(registry: Any) -> None:
    """Show servers a rollout of version 2, which answers half of the entities."""
    at = "2013-05-01T00:00:00Z"
    plan = {"kind": "canary", "weights": (0.5,), "mirror": 1e-9}
    opened = {"id": "v2-a", "plan": plan, "stage": 0, "since": at, "began": at}
    state = State.model_validate({"champion": 1, "challenger": 2, "rollout": opened, "move": 1})
    registry.client.set_registered_model_tag(NAME, "regrow.state", state.model_dump_json())


def test_clients_are_told_whom_not_to_act_on(
    registry: Any, start: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share of the entities is held back, the same at every time, by every version, after a restart; the log knows.

    Which version answers says nothing of it. A model without a hold-back has no word of it, neither said nor logged.
    """
    numbers = ColumnTransformer([("numbers", "passthrough", ["distance", "hour"])])
    pipeline = make_pipeline(numbers, LogisticRegression(max_iter=5_000))
    pipeline.fit(registry.frame, (registry.frame["hour"] > 12).astype(int))
    for _ in range(2):
        registry.register(pipeline, NAME, hold_back=SHARE)
    registry.promote(1, NAME)
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "first"))
    patient = {"REGROW_CHALLENGER_TIMEOUT": "60"}  # A busy machine is no reason to fall back here.
    first = start(tmp_path / "first", "--model", NAME, "--model", "demo", **patient)
    alone = ask(first, ENTITIES)
    held = alone["held_back"]
    assert held == [is_held_back(NAME, name, SHARE) for name in ENTITIES]
    low, high = binom.interval(0.999, len(ENTITIES), SHARE)
    assert low <= sum(held) <= high
    assert len(alone["predictions"]) == len(ENTITIES)
    assert ask(first, [])["held_back"] == []
    assert "held_back" not in ask(first, ENTITIES[:3], "demo")

    roll_out(registry)
    deadline = time.monotonic() + 120
    while "versions" not in (split := ask(first, ENTITIES)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert split["held_back"] == held
    challenged = np.array(split["versions"]) == 2
    assert abs(np.corrcoef(challenged, held)[0, 1]) < 3.5 / np.sqrt(len(ENTITIES))
    assert first.stop() == 0
    logged = read_predictions(NAME).rows.set_index("prediction_id")["held_back"]
    for answer in (alone, split):
        assert logged.loc[answer["prediction_ids"]].tolist() == held
    assert read_predictions("demo").rows["held_back"].isna().all()

    second = start(tmp_path / "second", "--model", NAME)
    assert ask(second, ENTITIES[:500])["held_back"] == held[:500]
    assert ask(second, ENTITIES[:500], **{"X-Regrow-Version": "1"})["held_back"] == held[:500]
