"""Pictures of how a model does: its curves or errors, and the importance of its columns.

Whoever draws imports this when it draws: matplotlib and scikit-learn's displays take a second of every start.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import PrecisionRecallDisplay, PredictionErrorDisplay, RocCurveDisplay

from regrow.models.metrics import Codes, Floats, Label, encode
from regrow.project import Metric
from regrow.results import ProblemType

SAMPLE = 2000
"""Rows that a scatter plot shows."""


def draw(
    kind: ProblemType, target: pd.Series, predictions: dict[str, Floats], classes: Sequence[Label]
) -> dict[str, Figure]:
    """Draw candidate and champion: the curves of a binary classifier, the errors of a regression."""
    shown = {name: prediction for name, prediction in predictions.items() if name != "baseline"}
    if kind == "binary":
        codes = encode(target, classes)
        return draw_curves(codes, {name: prediction[:, 1] for name, prediction in shown.items()})
    return draw_errors(target.to_numpy(dtype=np.float64), shown) if kind == "regression" else {}


def draw_curves(codes: Codes, probabilities: dict[str, Floats]) -> dict[str, Figure]:
    """Draw calibration, ROC and precision against recall of P(positive) of each model."""
    calibration, roc, recall = (Figure(layout="constrained") for _ in range(3))
    axes = [figure.subplots() for figure in (calibration, roc, recall)]
    for name, values in probabilities.items():
        first = name == next(iter(probabilities))
        CalibrationDisplay.from_predictions(
            codes, values, n_bins=10, strategy="quantile", name=name, ax=axes[0], ref_line=first
        )
        RocCurveDisplay.from_predictions(codes, values, name=name, ax=axes[1], plot_chance_level=first)
        PrecisionRecallDisplay.from_predictions(codes, values, name=name, ax=axes[2], drop_intermediate=True)
    return {"calibration.png": calibration, "roc.png": roc, "precision_recall.png": recall}


def draw_errors(target: Floats, predictions: dict[str, Floats]) -> dict[str, Figure]:
    """Draw true values and residuals against what each model predicts, on at most `SAMPLE` rows."""
    truth, residuals = Figure(layout="constrained"), Figure(layout="constrained")
    axes = {"actual_vs_predicted": truth.subplots(), "residual_vs_predicted": residuals.subplots()}
    for kind, axis in axes.items():
        for name, prediction in predictions.items():
            PredictionErrorDisplay.from_predictions(
                target, prediction, kind=kind, ax=axis, subsample=min(SAMPLE, len(target)), random_state=0,
                scatter_kwargs={"s": 8, "alpha": 0.6, "label": name},
            )  # fmt: skip
        axis.legend()
    return {"predicted_true.png": truth, "residuals.png": residuals}


def draw_importances(importances: pd.DataFrame, metric: Metric) -> Figure:
    """Draw the twenty most important columns of *importances*."""
    shown = importances[-20:]
    figure = Figure(figsize=(7.0, 1.0 + 0.28 * len(shown)), layout="constrained")
    axis = figure.subplots()
    axis.barh(list(shown.index), shown["mean"], xerr=shown["spread"])
    axis.set(title="Permutation importance", xlabel=f"loss of {metric} when the column is shuffled")
    return figure
