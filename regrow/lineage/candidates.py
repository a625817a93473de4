"""Fitted models in MLflow: one recipe gives one model, however often it is tried."""

from datetime import datetime
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LoggedModel
from mlflow.models import Model

from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.lineage.record import RunRecord
from regrow.models.results import Candidate, ModelFacts
from regrow.models.training_rows import rows_of
from regrow.project.training import TrainingWindow
from regrow.registry import read_facts

RECIPE = "regrow.recipe"


def find_again(run: RunRecord, recipe: str) -> Candidate | None:
    """Return the candidate that *recipe* has given already, if its upload was finished, and note it on *run*."""
    found = find_model(run.client, run.experiment_id, recipe)
    if found is None:
        return None
    run.tag(found_again=found.model_id)
    run.log_model_input(found.model_id)
    return Candidate(
        model_id=found.model_id,
        run_id=str(found.source_run_id),
        recipe=recipe,
        facts=read_facts(found.model_id),
    )


def take_window(
    run: RunRecord,
    rows: Snapshot,
    frame: pd.DataFrame,
    window: TrainingWindow | None,
    timestamp: str | None,
    end: datetime | None = None,
) -> tuple[pd.DataFrame, Snapshot]:
    """Leave the rows of *frame*, which are *rows*, that *window* reaches back to from *end* (default: the newest).

    Returns them and the snapshot that holds just them; one that is made for it is linked to *run*.
    """
    taken = rows_of(window, frame, timestamp, end)
    if len(taken) == rows.rows:
        return taken, rows
    held = write_snapshot(taken, timestamp)
    run.log_input(held, "window")
    return taken, held


def find_model(client: MlflowClient, experiment_id: str, recipe: str) -> LoggedModel | None:
    """Find the model that *recipe* gave already, if its upload was finished."""
    found = client.search_logged_models([experiment_id], filter_string=f"tags.`{RECIPE}` = '{recipe}'")
    ready = [model for model in found if str(model.status) == "READY"]
    return min(ready, key=lambda model: model.creation_timestamp) if ready else None


def log_candidate(run: RunRecord, facts: ModelFacts, recipe: str, stored: dict[str, Any]) -> Candidate:
    """Log the model that is *stored* by MLflow's scikit-learn flavour with these arguments, as that of *recipe*."""
    import mlflow.sklearn as sklearn_flavor

    begun = _begin_model(run, facts, recipe)
    logged = Model.log(
        artifact_path=None, model_id=begun.model_id, flavor=sklearn_flavor, run_id=run.run_id, **stored
    )
    model_id = str(logged.model_id)
    run.log_metrics({"rows": facts.training.rows}, model_id=model_id)
    return Candidate(model_id=model_id, run_id=run.run_id, recipe=recipe, facts=facts)


def _begin_model(run: RunRecord, facts: ModelFacts, recipe: str) -> LoggedModel:
    """Begin a logged model in the experiment of *run*; left to itself MLflow takes the default experiment."""
    tags = {
        RECIPE: recipe,
        "regrow.training": facts.training.digest,
        "regrow.holdout": facts.holdout.digest,
    }
    params = run.client.get_run(run.run_id).data.params
    return run.client.create_logged_model(
        run.experiment_id, name="model", source_run_id=run.run_id, tags=tags, params=params
    )
