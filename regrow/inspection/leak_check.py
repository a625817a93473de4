"""Look for what gives the target away in the rows of a training, each thing a finding."""

from collections.abc import Iterator

import pandas as pd
from sklearn.base import is_classifier

from regrow.base.errors import DataError
from regrow.base.verdict import Finding, pass_if
from regrow.data.sources import feature_columns
from regrow.decisions.splitting import split_rows
from regrow.inspection.columns import describe_columns, take_sample
from regrow.inspection.leakage import find_shadows, later_share, share_in_both
from regrow.project import GroupSplit, Project, TimeSplit
from regrow.project.estimators import build_estimator

DATES_BY = 10_000
"""Rows by which it is told which columns hold dates later than the event."""


def find_leaks(project: Project, frame: pd.DataFrame) -> tuple[Finding, ...]:
    """Return a finding for each thing that might give the target of *frame* away; one that fails is a leak.

    Columns that predict the target nearly alone, rows and entities on both sides of the split, and dates that are
    later than the event. Of many rows a sample is looked at.
    """
    features = feature_columns(project, list(frame.columns))
    return (
        *_shadows(project, frame, features),
        *_both_sides(project, frame, features),
        *_later_dates(project, frame, features),
    )


def _shadows(project: Project, frame: pd.DataFrame, features: list[str]) -> Iterator[Finding]:
    """Yield a finding for each column that predicts the target nearly alone, or one that there is none."""
    data, limit = project.data, project.data.leakage.alone
    classifies = is_classifier(build_estimator(project.training, project.path))
    looked = [name for name in features if name not in data.leakage.allow]
    found = find_shadows(frame[looked], frame[data.target], classifies, limit)
    for shadow in found:
        yield Finding(
            rule=f"`{shadow.column}` does not predict the target alone",
            result="fail",
            figure=shadow.figure,
            limit=limit,
            rows=len(frame),
            detail=f"`{shadow.column}`: {shadow.words}; if it is not known when a prediction is asked for, leave it "
            "out of data.features, else name it under data.leakage.allow",
        )
    if not found:
        yield Finding(
            rule="no column predicts the target alone",
            result="pass",
            limit=limit,
            rows=len(frame),
            detail=f"{len(looked)} columns",
        )


def _both_sides(project: Project, frame: pd.DataFrame, features: list[str]) -> Iterator[Finding]:
    """Yield how many held-out rows, and entities, the training part gives away."""
    data = project.data
    try:
        training, holdout = split_rows(
            frame,
            data.splitting,
            data.target,
            data.timestamp,
            project.training.seed,
            project.training.shortest,
        )
    except DataError:  # The split itself says so, with what to do.
        return
    whole = list(dict.fromkeys([*features, data.target, *filter(None, (data.entity, data.timestamp))]))
    share, limit = share_in_both(frame, training, holdout, whole), data.leakage.shared
    yield Finding(
        rule="no row stands on both sides of the split",
        result=pass_if(share <= limit),
        figure=share,
        limit=limit,
        rows=len(holdout),
        detail=f"{share:.1%} of the held-out rows are equal to a training row in every column; "
        "leave doubles out in the source, or split by group or time",
    )
    if data.entity and not isinstance(data.splitting, TimeSplit | GroupSplit):
        known = share_in_both(frame, training, holdout, [data.entity])
        yield Finding(
            rule=f"no `{data.entity}` stands on both sides of the split",
            result=pass_if(known <= limit),
            figure=known,
            limit=limit,
            rows=len(holdout),
            detail=f"{known:.1%} of the held-out rows are of a `{data.entity}` that is also in training; "
            f"split by {{ kind: group, column: {data.entity} }}",
        )


def _later_dates(project: Project, frame: pd.DataFrame, features: list[str]) -> Iterator[Finding]:
    """Yield a finding for each feature with dates that are later than the event of their row."""
    timestamp = project.data.timestamp
    if timestamp is None:
        return
    looked = take_sample(frame, DATES_BY)
    for column in describe_columns(looked[features]):
        share = later_share(looked[column.name], looked[timestamp]) if column.holds == "dates" else 0.0
        if share:
            yield Finding(
                rule=f"`{column.name}` is not later than `{timestamp}`",
                result="fail",
                figure=share,
                limit=0.0,
                rows=len(looked),
                detail=f"`{column.name}` is later than `{timestamp}` in {share:.1%} of the rows: not known then; "
                "leave it out of data.features",
            )
