"""Compare what columns add to the predictions of served rows with what they add on the champion's holdout."""

import numpy as np
import pandas as pd

from regrow.base.errors import DataError, NotExplained
from regrow.data.windows import Window
from regrow.decisions.attributions import Reordered, compare_attributions, judge_attributions
from regrow.decisions.looks import level_of_look
from regrow.decisions.units import Units, units_of_logged
from regrow.inspection.sampled import sample_with_units
from regrow.lineage import current, step
from regrow.models.explaining.attributions import Explainer
from regrow.models.metrics import Floats
from regrow.models.results import Measurement
from regrow.models.stored import LoadedModel, load_model
from regrow.project import Project
from regrow.project.monitoring import AttributionRule
from regrow.registry import Version


def contributions(
    explainer: Explainer, model: LoadedModel, rows: pd.DataFrame, units: Units
) -> tuple[Floats, Units]:
    """Return how much each column adds to the predictions of *rows*, whatever the sign, and the units of the rows.

    Of a model that is explained by sampling these are fewer rows, drawn at random. Raises `NotExplained`.
    """
    order = np.random.default_rng(0).permutation(len(rows))
    try:
        features = model.contract.read(rows.iloc[order].reset_index(drop=True))
    except DataError as error:
        raise NotExplained(f"a row that was logged does not fit the champion: {error}") from error
    values = np.abs(explainer.explain(features).values).mean(axis=2)
    return values, units.take(order[: len(values)])


def compare(
    project: Project, champion: Version, rule: AttributionRule, window: Window
) -> tuple[Reordered | str, Units | None]:
    """Compare rows of *window* with rows of the champion's holdout; return what was found, and the units of the rows.

    Those are of the rows of the window that were explained, None of none. What cannot be compared, or explained, gives
    why in words.
    """
    model, logged = load_model(f"models:/{champion.model_id}"), window.read()
    own = np.flatnonzero(logged.rows["version"] == champion.number)
    drawn = np.random.default_rng(0).permutation(own)[: rule.rows]
    if not len(drawn):
        return "no row was predicted by the champion", None
    served = units_of_logged(logged.rows.iloc[drawn], project.data.sampling_unit)
    reference, units = sample_with_units(champion.facts.holdout, model.features, rule.rows, project.data)
    if units is None:
        return "the units of the reference are not known", None
    try:
        explainer = Explainer(model)
        before, units = contributions(explainer, model, reference, units)
        now, served = contributions(explainer, model, logged.features.iloc[drawn], served)
    except NotExplained as error:
        return str(error), None
    return compare_attributions(model.features, before, now, units, served), served


@step(retries=2, retry_delay_seconds=[5, 30])
def measure_attributions(
    project: Project, champion: Version, rule: AttributionRule, window: Window
) -> Measurement:
    """Compare the order of the columns by what they add to the champion's predictions in *window* and on its holdout.

    A model that cannot be explained is none the worse for it: the finding is undecided, and says why.
    """
    run = current()
    found, units = compare(project, champion, rule, window)
    rows = 0 if units is None else len(units.codes)
    finding = judge_attributions(found, level_of_look(project), rows, rule, units)
    figures = {} if finding.figure is None else {"attributions.likeness": finding.figure}
    run.log_metrics(figures)
    return Measurement(subject="drift", findings=(finding,), figures=figures, url=run.url)
