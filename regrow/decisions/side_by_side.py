"""Models side by side on held-out rows: their metrics, a trivial model beside them, and what gates need of each row."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier, DummyRegressor

from regrow.data.rows import event_times
from regrow.data.sources import as_names
from regrow.decisions.units import Units
from regrow.models.metrics import Floats, Label, as_judged, encode, require_classes, score
from regrow.models.predictions import to_column
from regrow.models.results import SLICE, TIME, UNIT, ProblemType
from regrow.project import Metric, Project


def baseline(target: pd.Series, classes: Sequence[Label], rows: int) -> Floats:
    """Fit a Dummy to *target* and predict *rows* rows."""
    blank = np.zeros((len(target), 1))
    if not classes:
        return np.asarray(DummyRegressor().fit(blank, target).predict(np.zeros((rows, 1))), dtype=np.float64)
    codes = encode(target, classes)
    require_classes(codes, classes, "training")
    dummy = DummyClassifier(strategy="prior").fit(blank, codes)
    return np.asarray(dummy.predict_proba(np.zeros((rows, 1))), dtype=np.float64)


def measure(
    metrics: Sequence[Metric],
    target: pd.Series,
    prediction: Floats,
    classes: Sequence[Label],
    threshold: float | None = None,
) -> dict[str, float]:
    """Return every metric of one model, which decides by *threshold*; a classifier needs a row of every class."""
    if classes:
        require_classes(encode(target, classes), classes, "evaluation")
    return {
        metric: score(metric, target, as_judged(metric, prediction, threshold), classes) for metric in metrics
    }


def tabulate(target: pd.Series, predictions: dict[str, Floats], kind: ProblemType) -> pd.DataFrame:
    """Lay the target and each model's predictions side by side."""
    columns = {name: to_column(prediction, kind) for name, prediction in predictions.items()}
    return pd.DataFrame({"target": target.to_numpy(), **columns})


def columns_to_judge(project: Project, frame: pd.DataFrame, units: Units) -> dict[str, pd.Series]:
    """Return what the gates need of the rows *frame* beside predictions: their unit, and the columns of slices."""
    gated = set(project.evaluation.gated_columns.values())
    slices = {f"{SLICE}{column}": as_names(frame[column]).replace("", None) for column in sorted(gated)}
    times = event_times(frame, project.data).set_axis(frame.index)
    return {UNIT: pd.Series(units.codes, frame.index), TIME: times, **slices}
