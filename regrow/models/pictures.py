"""Pictures of how a model does: its curves or errors, and the importance of its columns.

Whoever draws imports this when it draws: matplotlib and scikit-learn's displays take a second of every start.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import PrecisionRecallDisplay, PredictionErrorDisplay, RocCurveDisplay

from regrow.models.explaining.summary import SliceSizes, Summary
from regrow.models.metrics import Codes, Floats, Label, encode
from regrow.models.results import ProblemType
from regrow.project import Metric

SAMPLE = 2000
"""Rows that a scatter plot shows."""
SHOWN_SLICES = 10
"""Slices that the picture of attributions shows: the ones of most rows."""


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
    calibration, roc, recall = (Figure() for _ in range(3))
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
    truth, residuals = (
        Figure(layout="constrained"),
        Figure(layout="constrained"),
    )  # Wide numbers beside the axis.
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


def draw_attributions(summary: Summary) -> Figure:
    """Draw what the twenty largest columns add to predictions: a bar over all rows, a mark for each slice."""
    whole, *slices = summary.slices
    names = list(whole.sizes)[:20][::-1]
    figure = Figure(figsize=(7.5, 1.2 + 0.3 * len(names)), layout="constrained")
    axis = figure.subplots()
    axis.barh(names, [whole.sizes[name] for name in names], color="0.8", label=f"all {whole.rows} rows")
    for place, one in enumerate(_largest(slices)):
        axis.plot(
            [one.sizes[name] for name in names], names, linestyle="", marker="osD^v"[place % 5],
            label=f"{one.name} ({one.rows})",
        )  # fmt: skip
    way = "SHAP, sampled" if summary.method == "sampled" else "SHAP"
    axis.set(
        title="What the predictions come from", xlabel=f"mean absolute contribution ({way}), {summary.scale}"
    )
    axis.legend(fontsize="small", loc="lower right")
    return figure


def _largest(slices: Sequence[SliceSizes]) -> list[SliceSizes]:
    """Return the `SHOWN_SLICES` of *slices* that have most rows, in their order."""
    kept = sorted(slices, key=lambda one: -one.rows)[:SHOWN_SLICES]
    return [one for one in slices if one in kept]
