"""Compare the features that were served with those that the source now gives for the same rows."""

from datetime import datetime

import pandas as pd

from regrow.data.joining import keys_of_logged
from regrow.data.predictions import read_predictions
from regrow.data.readers import open_source
from regrow.data.rows import among, row_keys
from regrow.data.sources import rows_of, select_rows
from regrow.decisions.skew import judge_skew, skew_by_column
from regrow.lineage import current, step
from regrow.models.contract import Contract
from regrow.models.results import Measurement, figures_by_column
from regrow.models.stored import load_model
from regrow.project import Project
from regrow.project.monitoring import SkewRule
from regrow.registry import Version


def served_features(project: Project, start: datetime, end: datetime, most: int) -> pd.DataFrame:
    """Return the features of at most *most* rows served in [*start*, *end*), by row key; of several the last ones."""
    logged = read_predictions(project.name, start, end, most)
    features = logged.features.set_axis(keys_of_logged(logged.rows, project.data), axis="index")
    newest = logged.rows["served_at"].argsort(kind="stable")
    features = features.iloc[newest]
    return features[features.index.notna() & ~features.index.duplicated(keep="last")]


def source_features(
    project: Project, contract: Contract, keys: pd.Index, start: datetime, end: datetime
) -> pd.DataFrame:
    """Return the features of the rows *keys* as the source gives them and the model takes them, by row key.

    The source is read chunk by chunk. Raises `DataError` if it cannot be read, or a row does not fit the model.
    """
    opened = open_source(project, project.data.source, "data.source")
    selection, found = select_rows(project, start, end, contract.text, contract.features), []
    for chunk in rows_of(project, opened, selection, unlabelled=True):
        rows = chunk.reset_index(drop=True)
        names = row_keys(rows, rows, project.data)
        wanted = among(names, keys)
        if wanted.any() or not found:
            read = contract.read(rows[wanted], untyped=opened.untyped)
            found.append(read.set_axis(pd.Index(names[wanted]), axis="index"))
    features = pd.concat([each for each in found if len(each)] or found)
    return features[~features.index.duplicated(keep="last")]


@step(retries=2, retry_delay_seconds=[5, 30])
def measure_skew(
    project: Project, champion: Version, rule: SkewRule, start: datetime, end: datetime
) -> Measurement:
    """Compare a sample of the rows served in [*start*, *end*) with the source, column by column.

    Rows are known by `data.id`, or by `data.entity` and `data.timestamp`; others are not compared.
    """
    run, contract = current(), load_model(f"models:/{champion.model_id}").contract
    served = served_features(project, start, end, rule.max_rows)
    given = source_features(project, contract, served.index, start, end)
    both = served.index.intersection(given.index)
    shares = skew_by_column(served.loc[both], given.loc[both])
    finding = judge_skew(shares, len(both), len(served), rule.share)
    figures = figures_by_column("skew.column", shares) | {"skew.rows": float(len(both))}
    run.log_metrics(figures)
    return Measurement(subject="quality", findings=(finding,), figures=figures, url=run.url)
