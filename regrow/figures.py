"""Draw how a model does on its holdout."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from regrow.models.metrics import Codes, Floats

SIZE = (6.0, 5.0)


def draw_binary(target: Codes, models: Mapping[str, Floats]) -> dict[str, Figure]:
    """Draw calibration, ROC and precision-recall of P(positive) of each of *models*."""
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import precision_recall_curve, roc_curve

    calibration, roc, recall = (
        Figure(figsize=SIZE, layout="constrained"),
        Figure(figsize=SIZE, layout="constrained"),
        Figure(figsize=SIZE, layout="constrained"),
    )
    axes = [figure.subplots() for figure in (calibration, roc, recall)]
    for name, probability in models.items():
        positives = probability[:, 1]
        observed, predicted = calibration_curve(target, positives, n_bins=10, strategy="quantile")
        axes[0].plot(predicted, observed, marker="o", label=name)
        false, true, _ = roc_curve(target, positives)
        axes[1].plot(false, true, label=name)
        precision, sensitivity, _ = precision_recall_curve(target, positives, drop_intermediate=True)
        axes[2].plot(sensitivity, precision, label=name)
    labels = [
        ("Calibration", "predicted probability", "observed share"),
        ("ROC", "false positive rate", "true positive rate"),
        ("Precision and recall", "recall", "precision"),
    ]
    for place, (axis, (title, x, y)) in enumerate(zip(axes, labels, strict=True)):
        if place < 2:
            axis.plot([0, 1], [0, 1], color="grey", linestyle=":")
        axis.set(title=title, xlabel=x, ylabel=y)
        axis.legend()
    return {"calibration.png": calibration, "roc.png": roc, "precision_recall.png": recall}


def draw_regression(target: Floats, models: Mapping[str, Floats]) -> dict[str, Figure]:
    """Draw predicted against true values, and the residuals, of each of *models*."""
    truth, residuals = Figure(figsize=SIZE, layout="constrained"), Figure(figsize=SIZE, layout="constrained")
    left, right = truth.subplots(), residuals.subplots()
    for name, prediction in models.items():
        left.scatter(target, prediction, s=8, alpha=0.6, label=name)
        right.scatter(prediction, target - prediction, s=8, alpha=0.6, label=name)
    ends = [float(np.min(target)), float(np.max(target))]
    left.plot(ends, ends, color="grey", linestyle=":")
    right.axhline(0, color="grey", linestyle=":")
    left.set(title="Predicted against true", xlabel="true", ylabel="predicted")
    right.set(title="Residuals", xlabel="predicted", ylabel="true less predicted")
    left.legend()
    right.legend()
    return {"predicted_true.png": truth, "residuals.png": residuals}


def draw_importance(names: list[str], drops: NDArray[np.float64], metric: str) -> Figure:
    """Draw how much worse *metric* gets when each column is shuffled; *drops* is `(columns, repeats)`."""
    order = np.argsort(drops.mean(axis=1))[-20:]
    figure = Figure(figsize=(7.0, 1.0 + 0.28 * len(order)), layout="constrained")
    axis = figure.subplots()
    axis.barh([names[place] for place in order], drops.mean(axis=1)[order], xerr=drops.std(axis=1)[order])
    axis.set(title="Permutation importance", xlabel=f"loss of {metric} when the column is shuffled")
    return figure
