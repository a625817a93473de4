"""The score flow on a real Prefect server and a real MLflow store."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pandas as pd

from flows.score import score
from flows.train import train
from regrow.project import Project


def test_runs_now_and_by_schedule(
    services: object, project: Callable[..., Project], recent: pd.DataFrame, start: Callable[..., Any]
) -> None:
    """Without `as_of` and `end` the flow scores the rows up to this moment, whoever starts it."""
    made = project(recent)
    train(made.path)
    scored = start(score, config=made.path)
    assert (scored.version, scored.rows, scored.new) == (1, len(recent), len(recent))


def test_a_period_without_a_time_zone_is_utc(
    services: object, project: Callable[..., Project], recent: pd.DataFrame
) -> None:
    """Prefect's form gives moments without a zone: they are read as UTC."""
    made = project(recent)
    train(made.path)
    end = recent["at"].iloc[-1].to_pydatetime().replace(tzinfo=None)
    scored = score(made.path, start=end - timedelta(days=7), end=end)
    within = recent["at"].between(str(end - timedelta(days=7)), str(end), inclusive="left")
    assert scored.rows == within.sum() > 0
