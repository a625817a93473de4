"""Estimate what the primary metric of a window will be before its labels come, and hold past estimates against them."""

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd
from mlflow.artifacts import load_text
from pydantic import ValidationError

from regrow.base.errors import RegistryError, RegrowError, Unreachable
from regrow.data.joining import keys_of_logged
from regrow.data.predictions import LoggedPredictions
from regrow.data.reference import sample_snapshot
from regrow.data.rows import trained_keys
from regrow.data.windows import Window
from regrow.decisions.before_labels import LOSSES, Expected, Rows, carried, expect_metric
from regrow.decisions.foretold import CONFIDENCE, Forecasts, Foretold, known, tell_expected, weigh
from regrow.decisions.labelled import end_of_matured, label_window, labels_within
from regrow.decisions.units import Units, single_rows, units_of, units_of_logged
from regrow.lineage import RunRecord, current, step
from regrow.models.metrics import Codes, Floats, encode
from regrow.models.predictions import stack_predictions
from regrow.models.results import Measurement, ModelFacts
from regrow.models.stored import load_model
from regrow.project import Metric, Project
from regrow.registry import Version, reaching, version

KEPT = "foretold.json"
"""What a run keeps: the windows of which something was foretold, its own among them."""
MOST_ROWS = 20_000
"""Rows of the holdout that are read at most, and rows of a window that losses are estimated for: more tell the same."""
LOOKED_UP = 3
"""Windows whose labels are looked for in one run at most: those of others are known, or come in a later run."""


def read_holdout(project: Project, champion: Version, features: bool) -> tuple[Rows, Codes | Floats]:
    """Predict rows of the champion's holdout by the model that has not seen it; return them and what came true.

    With *features* the raw columns are kept. A table knows no requests: there each row is a unit.
    """
    data, facts, model = project.data, champion.facts, load_model(champion.judged_uri)
    more = [data.target, data.timestamp, data.entity]
    asked = dict.fromkeys((*model.features, *(name for name in more if name in facts.holdout.columns)))
    frame = sample_snapshot(facts.holdout, list(asked), MOST_ROWS)
    frame = frame[frame[data.target].notna()].reset_index(drop=True)
    target = frame[data.target]
    truth = encode(target, facts.classes) if facts.classes else target.to_numpy(np.float64)
    raw = frame[model.features] if features else None
    return Rows(model.predict(frame[model.features]), units_of_held_out(frame, project), raw), truth


def units_of_held_out(frame: pd.DataFrame, project: Project) -> Units:
    """Return the unit of each row of *frame*; each its own if the columns that tell are not kept."""
    data = project.data
    needed = {"entity": data.entity, "row": None, "request": None}.get(data.sampling_unit, data.timestamp)
    return units_of(frame, data) if needed is None or needed in frame else single_rows(len(frame))


def served_rows(
    project: Project, logged: LoggedPredictions, champion: int, facts: ModelFacts, features: list[str] | None
) -> Rows:
    """Return what *champion* predicted of the *logged* rows: of each row its last prediction, if it did not fail.

    *features* names the raw columns that are kept.
    """
    own = logged.rows[logged.rows["version"] == champion].sort_values(["served_at", "prediction_id"])
    names = keys_of_logged(own, project.data).fillna(own["prediction_id"])
    own = own[~names.duplicated(keep="last")]
    if features is not None and len(own) > MOST_ROWS:
        own = own.sample(MOST_ROWS, random_state=0)
    prediction = stack_predictions(own["prediction"], facts)
    whole = np.flatnonzero(np.isfinite(prediction.reshape(len(own), -1)).all(axis=1))
    own, prediction = own.iloc[whole], prediction[whole]
    raw = None if features is None else logged.features.loc[own.index, features].reset_index(drop=True)
    return Rows(prediction, units_of_logged(own, project.data.sampling_unit), raw)


def read_past(run: RunRecord) -> Forecasts:
    """Read what runs before *run* have foretold, as the last one has kept it that did; nothing if none has."""
    found = run.client.search_runs(
        [run.experiment_id],
        f"tags.`regrow.foretold` = '{KEPT}'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    if not found:
        return Forecasts()
    with reaching(f"{KEPT} of run {found[0].info.run_id}"):
        try:
            return Forecasts.read(load_text(f"{found[0].info.artifact_uri}/{KEPT}"))
        except ValidationError:  # A copy that is torn: what was foretold begins anew.
            return Forecasts()


def look_up(project: Project, past: Forecasts, window: Window, as_of: datetime) -> Forecasts:
    """Return *past* with what came of the newest windows before *window*, if their labels have matured at *as_of*.

    A window of fewer labels than `monitoring.performance.least_rows`, or of a version that is gone, stays open.
    """
    waiting = [one for one in past.before(window.start, window.end) if one.realised is None]
    if not waiting:
        return past
    matured = end_of_matured(project, as_of)
    opened = [one for one in waiting if one.end <= matured][-LOOKED_UP:]
    came = {one.end: figure_of(project, one, as_of) for one in opened}
    return Forecasts(
        windows=tuple(
            one.model_copy(update={"realised": came[one.end]}) if one.end in came else one
            for one in past.windows
        )
    )


def figure_of(project: Project, one: Foretold, as_of: datetime) -> float | None:
    """Return what *one* window's metric came to on the labels known at *as_of*; None if they are too few."""
    try:
        facts = version(project.name, one.champion).facts
    except RegistryError:  # The version was removed.
        return None
    labels = labels_within(project, one.start, one.end, as_of)
    trained = trained_keys(facts.training, project.data, one.start)
    seen = label_window(project, one.champion, facts, labels, trained, one.start, one.end)
    if len(seen.rows) < project.monitoring.performance.least_rows:
        return None
    return seen.figure(one.metric, facts)


def estimate_window(project: Project, champion: Version, window: Window) -> tuple[Expected | str, float]:
    """Return what the primary metric of *window* is expected to be, or why nobody can tell, and the holdout's."""
    facts, metric = champion.facts, project.evaluation.primary
    raw = metric in LOSSES
    held_out, truth = read_holdout(project, champion, raw)
    features = list(held_out.features.columns) if held_out.features is not None else None
    served = served_rows(project, window.read(), champion.number, facts, features)
    found = expect_metric(metric, held_out, truth, served, facts.threshold)
    if isinstance(found, str):
        return found, champion.metrics.get(metric, math.nan)
    return found, champion.metrics.get(metric, carried(metric, held_out, truth, facts.threshold))


@step(retries=2, retry_delay_seconds=[5, 30])
def estimate_performance(project: Project, champion: Version, window: Window, as_of: datetime) -> Measurement:
    """Estimate the primary metric of the champion's rows of *window*, and see what came of estimates before.

    It is a remark, by which nothing is decided: if it cannot be made, the finding says why, and the run goes on.
    """
    run, metric = current(), project.evaluation.primary
    past = read_past(run)
    try:
        past = look_up(project, past, window, as_of)
        found, holdout = estimate_window(project, champion, window)
    except Unreachable:
        raise
    except RegrowError as error:
        found, holdout = str(error), math.nan
    if isinstance(found, Expected):
        past = past.with_window(foretell(metric, found, holdout, champion.number, window))
    run.log_text(past.model_dump_json(indent=2), KEPT)
    run.tag(foretold=KEPT)
    came = known(past.before(window.start, window.end), metric)
    figures = name_figures(metric, found, holdout, came)
    run.log_metrics(figures)
    for one in came:
        run.log_metrics(window_figures(one), at=int(one.end.timestamp()))
    finding = tell_expected(metric, found, holdout, came)
    return Measurement(subject="expected performance", findings=(finding,), figures=figures, url=run.url)


def foretell(metric: Metric, found: Expected, holdout: float, champion: int, window: Window) -> Foretold:
    """Return what is kept of an estimate, to be held against what comes."""
    low, high = found.interval(CONFIDENCE)
    return Foretold(
        champion=champion,
        metric=metric,
        start=window.start,
        end=window.end,
        figure=found.figure,
        low=low,
        high=high,
        carried=holdout,
    )


def name_figures(
    metric: Metric, found: Expected | str, holdout: float, came: Sequence[Foretold]
) -> dict[str, float]:
    """Name what was *found*, and what the estimates of windows whose labels *came* were worth."""
    worth = weigh(came)
    figures = {"expected.windows": float(worth.windows)}
    if isinstance(found, Expected):
        low, high = found.interval(CONFIDENCE)
        name = f"expected.{metric}"
        figures |= {name: found.figure, f"{name}.low": low, f"{name}.high": high, "expected.holdout": holdout}
    if worth.windows:
        figures |= {"expected.error": worth.error, "expected.error.holdout": worth.carried}
    if worth.informative is not None:
        figures["expected.informative"] = float(worth.informative)
    return figures


def window_figures(one: Foretold) -> dict[str, float]:
    """Name what was expected of *one* past window, and what came."""
    figures = {"": one.figure, ".low": one.low, ".high": one.high, ".realised": one.realised}
    return {
        f"expected.window.{one.metric}{end}": value for end, value in figures.items() if value is not None
    }
