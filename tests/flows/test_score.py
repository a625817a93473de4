"""The score flow on a real Prefect server and a real MLflow store."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from flows.score import score
from flows.train import train
from regrow import registry
from regrow.base.errors import DataError
from regrow.data.predictions import read_predictions
from regrow.data.sources import read_source
from regrow.models.stored import load_model
from regrow.project import Project

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
MONTHS = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC), AS_OF)


def test_runs_now_and_by_schedule(
    services: object, project: Callable[..., Project], recent: pd.DataFrame, start: Callable[..., Any]
) -> None:
    """Without `as_of` and `end` the flow scores the rows up to this moment, whoever starts it."""
    made = project(recent)
    train(made.path)
    scored = start(score, config=made.path)
    assert (scored.version, scored.rows, scored.new) == (1, len(recent), len(recent))


@pytest.mark.long
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


CUSTOMERS = {
    "source": {"kind": "csv", "path": "rows.csv"},
    "target": "late",
    "timestamp": "at",
    "entity": "customer",
}


def odd_rows() -> pd.DataFrame:
    """Draw 40 customers who come back; a boolean has gaps that matter, and text came with the two hundredth row."""
    random = np.random.default_rng(0)
    size, flag = random.normal(size=600), [(True, False, None)[place] for place in random.integers(0, 3, 600)]
    late = (2 * size + pd.isna(pd.Series(flag, dtype=object)) + random.normal(scale=0.5, size=600)) > 0.5
    return pd.DataFrame(
        {
            "customer": np.arange(600) % 40,
            "at": pd.date_range("2024-01-01", "2024-02-29", periods=600, tz="UTC"),
            "size": size,
            "flag": flag,
            "word": [None] * 200 + random.choice(["007", "a1"], 400).tolist(),
            "late": late.astype(int),
        }
    )


def test_periods_are_scored_one_after_the_other(services: object, project: Callable[..., Project]) -> None:
    """Customers who come back are scored each time, month after month, as evaluated; a month again adds nothing."""
    model = project(odd_rows(), data=CUSTOMERS)
    verdict = train(model.path, AS_OF)
    assert verdict.passed, verdict.reason
    champion = registry.champion(model.name)
    assert champion is not None
    stored = load_model(f"models:/{champion.model_id}")
    assert stored.contract.types == {"size": "double", "flag": "boolean", "word": "string"}

    first = score(model.path, MONTHS[0], MONTHS[1], as_of=AS_OF)
    second = score(model.path, MONTHS[1], MONTHS[2], as_of=AS_OF)
    assert first.new == first.rows > 200
    assert second.new == second.rows > 200
    assert score(model.path, as_of=AS_OF).new == 0
    logged = read_predictions(model.name)
    assert logged.rows["prediction_id"].is_unique
    assert len(logged.rows) == 600

    answers = pd.DataFrame({"at": logged.rows["event_time"], "p": [p[1] for p in logged.rows["prediction"]]})
    evaluated = stored.predict(champion.facts.holdout.read())[:, 1]
    held_out = answers.merge(champion.facts.holdout.read(["at"]), on="at").sort_values("at")
    np.testing.assert_array_equal(held_out["p"], evaluated)


@pytest.mark.long
def test_another_alias_takes_nothing_from_the_next_run(
    services: object, project: Callable[..., Project]
) -> None:
    """What another version has scored meanwhile is still new to the version of the project file."""
    model = project(odd_rows(), data=CUSTOMERS)
    train(model.path, AS_OF)
    champion = registry.champion(model.name)
    assert champion is not None
    MlflowClient().set_registered_model_alias(model.name, "tried", str(champion.number))
    assert score(model.path, as_of=AS_OF).rows == 600
    later = odd_rows().iloc[-20:].assign(at=pd.date_range(AS_OF, periods=20, freq="D"))
    pd.concat([odd_rows(), later]).to_csv(model.path.parent / "rows.csv", index=False)
    assert score(model.path, alias="tried", as_of=AS_OF + timedelta(days=15)).rows == 15
    assert score(model.path, as_of=AS_OF + timedelta(days=30)).rows == 20


def test_a_schedule_waits_for_the_first_champion(services: object, project: Callable[..., Project]) -> None:
    """Before the first training a scheduled run completes, and says what it waits for."""
    awaited = score(project(odd_rows(), data=CUSTOMERS).path, trigger="schedule")
    assert awaited.result == "undecided"
    assert "waits for its first champion" in awaited.reason


@pytest.mark.long
def test_a_row_that_does_not_fit_ends_the_run(services: object, project: Callable[..., Project]) -> None:
    """A value that is none is named with its column and row, and nothing of the period is logged."""
    frame = odd_rows()
    model = project(frame, data=CUSTOMERS)
    train(model.path, AS_OF)
    broken = frame.astype({"size": object})
    broken.loc[599, "size"] = "wide"
    broken.to_csv(model.path.parent / "rows.csv", index=False)
    assert len(read_source(model)) == 600
    with pytest.raises(DataError, match=r"column 'size', row \d+: 'wide' is not a number \(customer 39\)"):
        score(model.path, MONTHS[1], AS_OF, as_of=AS_OF)
    assert score(model.path, MONTHS[0], MONTHS[1], as_of=AS_OF).new > 200
