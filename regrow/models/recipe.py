"""Fit a recipe, as it is judged and then on all known rows: what a training and a replay of one have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from regrow.models.contract import Contract
from regrow.models.fitting import fit_pipeline, kind_of, refit_pipeline
from regrow.models.frames import infer_columns, widen_whole_numbers
from regrow.models.metrics import Label
from regrow.models.results import ProblemType
from regrow.models.thresholds import find_threshold
from regrow.models.weights import sample_weights
from regrow.project import CsvSource, Project
from regrow.project.training import HalfLife, TrainingWindow

Trials = list[tuple[dict[str, Any], float]]
"""The parameters that a search has tried, each with its score."""


@dataclass(frozen=True)
class Fitted:
    """A pipeline that was fitted on the rows that train, and what it takes and gives."""

    pipeline: Pipeline
    contract: Contract
    features: pd.DataFrame
    """The rows that it learnt from, as it takes them."""
    kind: ProblemType
    classes: tuple[Label, ...]
    threshold: float | None
    trials: Trials

    @property
    def chosen(self) -> dict[str, Any]:
        """What a search has chosen for the pipeline; nothing without one."""
        return parameters_chosen(self.pipeline, self.trials)


def columns_with_gaps(frame: pd.DataFrame) -> frozenset[str]:
    """Return the columns of *frame* in which a value is missing."""
    return frozenset(str(name) for name in frame if frame[name].isna().any())


def parameters_chosen(pipeline: Pipeline, trials: Trials) -> dict[str, Any]:
    """Return what a search with these *trials* has chosen for *pipeline*; nothing without one."""
    tried = {name for params, _ in trials for name in params}
    return {name: value for name, value in pipeline.get_params().items() if name in tried}


def weights_of(
    project: Project, window: TrainingWindow | None, frame: pd.DataFrame
) -> NDArray[np.float64] | None:
    """Return how much each row of *frame* counts, by *window* or else by the file; None if all count alike."""
    half_life = window and window.half_life
    asked = HalfLife(half_life=half_life) if half_life else project.training.sample_weight
    return sample_weights(asked, frame, project.data.timestamp)


def contract_of(
    project: Project, frame: pd.DataFrame, names: Sequence[str], gaps: frozenset[str] = frozenset()
) -> Contract:
    """Return what a model takes that is fitted on the columns *names* of *frame*; in *gaps* values may be missing."""
    found = infer_columns(frame[[*names]], gaps=gaps, untyped=isinstance(project.data.source, CsvSource))
    return Contract(widen_whole_numbers(found, frame))


def fit_recipe(
    project: Project,
    window: TrainingWindow | None,
    frame: pd.DataFrame,
    names: Sequence[str],
    gaps: frozenset[str],
) -> Fitted:
    """Fit on the columns *names* of *frame*, the training rows of *window*; in *gaps* values may be missing."""
    data, training = project.data, project.training
    contract, ordered = contract_of(project, frame, names, gaps), data.timestamp is not None
    features, weights = contract.read(frame), weights_of(project, window, frame)
    pipeline, trials = fit_pipeline(
        training, features, frame[data.target], ordered, project.path, project.evaluation.primary, weights,
        data.timestamp,
    )  # fmt: skip
    kind, classes = kind_of(pipeline)
    threshold = find_threshold(
        training.threshold, pipeline, features, frame[data.target], ordered, training.seed, weights
    )
    return Fitted(pipeline, contract, features, kind, classes, threshold, trials)


def refit_recipe(
    project: Project,
    window: TrainingWindow | None,
    contract: Contract,
    before: pd.DataFrame,
    frame: pd.DataFrame,
    chosen: Mapping[str, Any],
) -> tuple[Pipeline, pd.DataFrame]:
    """Fit on *frame*, the known rows of *window*, what was fitted on *before*.

    Return the pipeline, and *frame* as it takes it.
    """
    data, features = project.data, contract.read(frame)
    pipeline = refit_pipeline(
        project.training, contract.read(before), features, frame[data.target], chosen, project.path,
        weights_of(project, window, frame), data.timestamp,
    )  # fmt: skip
    return pipeline, features
