"""What the pictures of a model show."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from regrow.models.explaining.summary import SliceSizes, Summary
from regrow.models.pictures import SHOWN_SLICES, draw, draw_attributions, draw_importances

TARGET = pd.Series([False, True, True, False])
MODEL = np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.7, 0.3]])


def shown(figure: Figure) -> tuple[set[str], int]:
    """Return the legend's entries, without the figures that scikit-learn adds, and how many lines or clouds stand."""
    axis = figure.axes[0]
    legend = axis.get_legend()
    assert legend is not None
    names = {text.get_text().split(" (")[0] for text in legend.get_texts()}
    return names, len(axis.lines) + len(axis.collections)


def test_a_classifier_gets_its_curves() -> None:
    """Calibration, ROC and precision against recall of candidate and champion, not of the baseline."""
    models = {"candidate": MODEL, "baseline": MODEL, "champion": MODEL[::-1]}
    figures = draw("binary", TARGET, models, (False, True))
    assert {name: shown(figure) for name, figure in figures.items()} == {
        "calibration.png": ({"candidate", "champion", "Perfectly calibrated"}, 3),
        "roc.png": ({"candidate", "champion", "Chance level"}, 3),
        "precision_recall.png": ({"candidate", "champion"}, 2),
    }


def test_a_regression_gets_its_errors() -> None:
    """What candidate and champion predict, against the truth and against what is left of it."""
    values = np.array([1.0, 2.0, 4.0])
    figures = draw("regression", pd.Series(values), {"candidate": values, "champion": values + 1}, ())
    assert {name: shown(figure)[0] for name, figure in figures.items()} == {
        "predicted_true.png": {"candidate", "champion"},
        "residuals.png": {"candidate", "champion"},
    }
    assert [len(figure.axes[0].collections) for figure in figures.values()] == [2, 2]
    assert draw("multiclass", TARGET, {"candidate": MODEL}, ("a", "b", "c")) == {}


def test_the_most_important_columns_are_drawn() -> None:
    """Twenty of them, each with its name, and the metric that they were measured by."""
    found = pd.DataFrame({"mean": range(30), "spread": 0.1}, index=[f"column {place}" for place in range(30)])
    bars = draw_importances(found, "roc_auc").axes[0]
    assert [label.get_text() for label in bars.get_yticklabels()] == list(found.index[10:])
    assert "roc_auc" in bars.get_xlabel()


def test_attributions_show_all_rows_and_the_largest_slices() -> None:
    """A bar for each column over all rows, the largest on top; of many slices those with most rows get a mark."""
    sizes = {"distance": 0.7, "hour": 0.2}
    slices = [SliceSizes("origin", f"A{n}", 10 + n, sizes) for n in range(15)]
    summary = Summary("trees", "log-odds", "", (SliceSizes(None, None, 500, sizes), *slices))
    axis = draw_attributions(summary).axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["hour", "distance"]
    assert len(axis.lines) == SHOWN_SLICES
    legend = axis.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} >= {"all 500 rows", "origin = A14 (24)"}
    assert "log-odds" in axis.get_xlabel()
