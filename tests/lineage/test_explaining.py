"""A logged prediction is explained by the version that made it, from the row that was logged."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from fitted_models import fitted, frame

from regrow.base.errors import NotExplained, RegistryError
from regrow.lineage import explaining
from regrow.lineage.explaining import explain_prediction
from regrow.models.explaining.attributions import Explainer
from regrow.models.stored import LoadedModel
from regrow.registry.versions import FILES

AT = datetime(2024, 3, 1, tzinfo=UTC)


def logged(model: LoadedModel, row: int = 3, **features: Any) -> dict[str, Any]:
    """Return a row of the prediction log as it is read: each number a double, with columns of other versions."""
    values = frame().iloc[row].to_dict() | {"hour": float(frame()["hour"][row]), "gone": None}
    values = {name: None if pd.isna(value) else value for name, value in values.items()}
    answer = model.predict(frame().iloc[[row]])[0]
    prediction = answer.tolist() if model.facts.classes else [float(answer)]
    found = {"model": "demo", "version": 2, "event_time": AT, "prediction": prediction}
    return found | {"features": values | features}


def stand_in(monkeypatch: pytest.MonkeyPatch, model: LoadedModel, row: Any, **tags: str) -> None:
    """Let the log hold *row*, and the registry *model* as a version with *tags*."""
    monkeypatch.setattr(explaining, "find_prediction", lambda asked: row)
    version = SimpleNamespace(tags=tags)
    monkeypatch.setattr(explaining, "registry", SimpleNamespace(version=lambda name, number: version))
    monkeypatch.setattr(explaining, "load_model", lambda uri: model)
    monkeypatch.setattr(Explainer, "_background", model.contract.read(frame()))


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_the_reasons_are_of_what_was_answered(monkeypatch: pytest.MonkeyPatch, classes: int) -> None:
    """The sum of the reasons is the logged prediction, and the values are those that were logged."""
    kind = "LogisticRegression" if classes else "Ridge"
    model = fitted(f"sklearn.linear_model.{kind}", {}, classes)
    stand_in(monkeypatch, model, logged(model))
    found = explain_prediction("p-1")
    assert (found.model, found.version, found.remark) == ("demo", 2, "")
    assert found.reasons.prediction == pytest.approx(found.logged)
    assert found.values["hour"] == frame()["hour"][3]
    assert set(found.reasons.contributions) == set(found.values)


def test_a_column_whose_type_has_changed_is_read_by_the_versions_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The log keeps each type under a name of its own; the version takes the one that it was fitted on."""
    model = fitted("sklearn.linear_model.Ridge", {}, 0)
    row = logged(model)
    row["features"] |= {"hour": None, "hour__double": row["features"]["hour"]}
    stand_in(monkeypatch, model, row)
    assert explain_prediction("p-1").values["hour"] == frame()["hour"][3]


def test_a_prediction_that_is_another_today_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the version predicts something else of the logged row, whoever reads the reasons is told both."""
    model = fitted("sklearn.linear_model.Ridge", {}, 0)
    stand_in(monkeypatch, model, logged(model) | {"prediction": [123.0]})
    assert "123 was logged" in explain_prediction("p-1").remark


def test_an_id_that_the_log_does_not_have_says_why_that_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not there yet, or forgotten: both are named; no prediction is too old, for all are kept."""
    stand_in(monkeypatch, fitted("sklearn.linear_model.Ridge", {}, 0), None)
    with pytest.raises(RegistryError, match=r"p-9: no such prediction.*yet.*regrow forget"):
        explain_prediction("p-9")


def test_a_version_whose_files_are_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tag that says when they were removed is shown."""
    model = fitted("sklearn.linear_model.Ridge", {}, 0)
    stand_in(monkeypatch, model, logged(model), **{FILES: "removed 2024-05-01"})
    with pytest.raises(RegistryError, match=r"version 2 made it, whose files are gone \(removed 2024-05-01"):
        explain_prediction("p-1")


def test_a_row_that_does_not_fit_the_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of another type in the log is named with its column, and nothing is explained."""
    model = fitted("sklearn.linear_model.Ridge", {}, 0)
    stand_in(monkeypatch, model, logged(model, distance="far"))
    with pytest.raises(NotExplained, match="`distance` is logged as 'far'"):
        explain_prediction("p-1")
