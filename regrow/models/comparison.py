"""Whether a candidate can be compared with the champion, and on which rows: those that neither was trained on."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from regrow.base.errors import DataError
from regrow.data.sources import as_names
from regrow.models.metrics import Floats, Label
from regrow.models.results import ModelFacts, Snapshot
from regrow.models.stored import LoadedModel, load_model
from regrow.project import Data, GroupSplit, Project

LEAST_UNSEEN = 0.5
"""Share of a holdout that the champion must not have learnt to be compared on it as it serves."""
WAIVE = "let the candidate pass without the comparison: `regrow train --override REASON`"


def why_not_comparable(data: Data, champion: LoadedModel, candidate: ModelFacts, frame: pd.DataFrame) -> str:
    """Return why *champion* cannot be measured on the rows of *frame* beside *candidate*, and what to do; else nothing.

    A class that only the candidate knows is no obstacle: the champion gives it no probability.
    """
    facts = champion.facts
    if "regression" in {facts.kind, candidate.kind} and facts.kind != candidate.kind:
        return f"its kind is {facts.kind}, the candidate's {candidate.kind}; {WAIVE}"
    lost = [repr(label) for label in facts.classes if label not in candidate.classes]
    if lost:
        classes = f"class{'es' if len(lost) > 1 else ''} {', '.join(lost)}"
        return (
            f"it knows the {classes}, which the candidate does not; train on rows that have them, or {WAIVE}"
        )
    gone = [f"`{column}`" for column in champion.features if column not in frame]
    if gone:
        columns = f"column{'s' if len(gone) > 1 else ''} {', '.join(gone)}"
        return (
            f"it takes the {columns}, which the rows do not have; keep the old columns beside the new ones until the "
            f"champion is replaced, or {WAIVE}"
        )
    split = data.splitting
    if isinstance(split, GroupSplit) and split.column not in facts.training.columns:
        return (
            f"its training rows have no `{split.column}`, so nobody knows which groups it has seen; {WAIVE}"
        )
    return ""


def align_classes(prediction: Floats, classes: Sequence[Label], wanted: Sequence[Label]) -> Floats:
    """Put the probabilities of *classes* under the *wanted* ones: a class that is not predicted gets none."""
    if tuple(classes) == tuple(wanted):
        return prediction
    aligned = np.zeros((len(prediction), len(wanted)))
    aligned[:, [list(wanted).index(label) for label in classes]] = prediction
    return aligned


def unseen_rows(project: Project, holdout: pd.DataFrame, training: Snapshot) -> pd.DataFrame:
    """Leave the rows of *holdout* that the champion's *training* rows do not give away.

    Those are the rows themselves, known by their key or else by their content; if the split is by groups, also the
    rows of the same groups. Raises `DataError` if none is left.
    """
    return _require_some(project, holdout, _unseen(project.data, holdout, training))


def _require_some(project: Project, holdout: pd.DataFrame, unseen: pd.DataFrame) -> pd.DataFrame:
    """Return the *unseen* rows of *holdout*; raises `DataError` if there are none."""
    if unseen.empty:
        split = project.data.splitting
        groups = f", or on their `{split.column}`" if isinstance(split, GroupSplit) else ""
        raise DataError(
            f"{project.path}: the champion was trained on all {len(holdout)} holdout rows{groups}, so nothing "
            "compares it with the candidate; wait for newer rows, or split by time"
        )
    return unseen


def _unseen(data: Data, holdout: pd.DataFrame, training: Snapshot) -> pd.DataFrame:
    """Leave the rows of *holdout* that the *training* rows do not give away, if any."""
    return without_learnt(data, holdout, [*training.columns], training.read)


def without_learnt(
    data: Data, holdout: pd.DataFrame, trained: list[str], read: Callable[[list[str]], pd.DataFrame]
) -> pd.DataFrame:
    """Leave the rows of *holdout* that training rows do not give away, whose columns *trained* one can *read*."""
    for columns in _telling_columns(data, [*map(str, holdout)], trained):
        holdout = exclude(holdout, read(columns), columns)
    return holdout


def choose_champion(
    project: Project, champion: LoadedModel, holdout: pd.DataFrame
) -> tuple[LoadedModel, pd.DataFrame, str]:
    """Return the *champion*'s model that a candidate is compared with, the rows of *holdout* for it, and a remark.

    It is the model that serves, unless that was fitted again and so has learnt more than half of *holdout*: then it is
    the same recipe as it was judged, fitted without the newest rows of its day, which the remark says. The rows are
    those that this model has not seen. Raises `DataError` if none is left.
    """
    unseen = _unseen(project.data, holdout, champion.facts.training)
    if champion.facts.judged and len(unseen) < LEAST_UNSEEN * len(holdout):
        recipe = load_model(f"models:/{champion.facts.judged}")
        remark = (
            f"the champion as it serves has learnt {len(holdout) - len(unseen)} of {len(holdout)} held-out rows: its "
            "recipe as it was judged, fitted without its own holdout, was compared instead"
        )
        return recipe, unseen_rows(project, holdout, recipe.facts.training), remark
    return champion, _require_some(project, holdout, unseen), ""


def _telling_columns(data: Data, held: list[str], trained: list[str]) -> list[list[str]]:
    """Return each set of columns in which a holdout row must differ from every training row."""
    shared = [name for name in held if name in trained]
    named = [data.id] if data.id else [data.entity, data.timestamp]
    row = [name for name in named if name in shared]
    row = row if len(row) == len(named) else shared
    split = data.splitting
    return [[split.column], row] if isinstance(split, GroupSplit) else [row]


def exclude(frame: pd.DataFrame, seen: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Leave the rows of *frame* that do not equal one of *seen* in *columns*, in whatever types these are stored."""
    pairs = {column: _same_type(frame[column], seen[column]) for column in columns}
    mine = pd.DataFrame({column: own for column, (own, _) in pairs.items()})
    theirs = pd.DataFrame({column: other for column, (_, other) in pairs.items()})
    hashes = pd.util.hash_pandas_object(mine, index=False)
    known = hashes.isin(pd.util.hash_pandas_object(theirs, index=False))
    return frame[~known.to_numpy()].reset_index(drop=True)


def _same_type(one: pd.Series, other: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return two columns in one type, so that equal values are equal: numbers, else text."""
    if one.dtype == other.dtype:
        return one, other
    if all(is_numeric_dtype(each) for each in (one, other)):
        return one.astype(np.float64), other.astype(np.float64)
    return as_names(one), as_names(other)
