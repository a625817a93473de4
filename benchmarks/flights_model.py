"""The flights' model in a registry of its own, and requests of one real flight each."""

import json
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import mlflow.sklearn as sklearn_flavor
import pandas as pd
import skops.io
from mlflow.models import Model, infer_signature
from mlflow.models.model import ModelInfo
from sklearn.pipeline import Pipeline

from regrow.data.snapshots import Snapshot
from regrow.data.sources import feature_columns, read_source
from regrow.models.fast_path.proof import TAG, describe
from regrow.models.fitting import fit_pipeline, kind_of
from regrow.models.results import ModelFacts
from regrow.models.stored import TRUSTED_TYPES, load_model
from regrow.project import Canary, load_project
from regrow.registry import start_rollout

PROJECT = Path(__file__).parents[1] / "configs" / "flights.yaml"
FAST, SLOW, SPLIT, MIRRORED = "flights", "flights-pipeline", "flights-split", "flights-mirrored"
"""One pipeline under four names: as registered; without its fast path; half to a challenger; that, and mirrored."""
BODIES = 2000


def prepare(folder: Path) -> str:
    """Fit on January to March, register, write April's flights as requests; gives the store's URI."""
    features, target = flights(datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 4, 1, tzinfo=UTC))
    unseen, _ = flights(datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 5, 1, tzinfo=UTC))
    pipeline, _ = fit_pipeline(load_project(PROJECT).training, features, target)
    skops.io.dump(pipeline, folder / "model.skops")
    write_bodies(folder, unseen.sample(BODIES, random_state=0))
    uri = f"sqlite:///{folder}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("benchmark", artifact_location=(folder / "artifacts").as_uri())
    logged = {name: log(experiment, pipeline, unseen) for name in (FAST, SLOW, SPLIT, MIRRORED)}
    tag = describe(load_model(f"models:/{logged[FAST].model_id}"), unseen)
    print(f"fast path: {tag}", flush=True)
    for name, model in logged.items():
        register(name, model, "none: for comparison" if name == SLOW else tag)
    for name, mirror in ((SPLIT, 1e-9), (MIRRORED, 1.0)):
        start_rollout(
            name, 2, Canary(kind="canary", weights=(0.5,), mirror=mirror), "benchmark", "to be measured"
        )
    return uri


def flights(start: datetime, end: datetime) -> tuple[pd.DataFrame, pd.Series]:
    """Return the features and the target of the flights from *start* on and before *end*."""
    project = load_project(PROJECT)
    rows = read_source(project, start, end)
    rows = rows[rows[project.data.target].notna()]
    return rows[feature_columns(project, list(rows.columns))], rows[project.data.target].astype(bool)


def write_bodies(folder: Path, rows: pd.DataFrame) -> None:
    """Write each of *rows* as a request in MLflow's protocol, and as one of BentoML's."""
    values = rows.astype(object).where(rows.notna(), None).to_dict("records")
    split = [{"dataframe_split": {"columns": list(row), "data": [list(row.values())]}} for row in values]
    for name, bodies in (("mlflow.jsonl", split), ("bento.jsonl", [{"rows": [row]} for row in values])):
        (folder / name).write_text("\n".join(map(json.dumps, bodies)) + "\n")


def log(experiment: str, pipeline: Pipeline, rows: pd.DataFrame) -> ModelInfo:
    """Log *pipeline* as the flow does, in a run of its own."""
    run = mlflow.MlflowClient().create_run(experiment)
    kind, classes = kind_of(pipeline)
    gone = Snapshot(uri="file:///gone.parquet", digest="0" * 64, rows=0, columns={})
    facts = ModelFacts(
        project="flights", kind=kind, classes=classes, id=None, timestamp=None, training=gone, holdout=gone
    )
    return Model.log(
        artifact_path=None,
        name="model",
        flavor=sklearn_flavor,
        run_id=run.info.run_id,
        sk_model=pipeline,
        serialization_format="skops",
        skops_trusted_types=sorted(TRUSTED_TYPES),
        signature=infer_signature(rows.head(50), pipeline.predict_proba(rows.head(50))),
        pyfunc_predict_fn="predict_proba",
        pip_requirements=["scikit-learn"],
        metadata={"regrow": facts.model_dump(mode="json")},
    )


def register(name: str, model: ModelInfo, tag: str) -> None:
    """Register *model* twice as *name*; the first version is the champion."""
    client = mlflow.MlflowClient()
    client.create_registered_model(name)
    for _ in range(2):
        client.create_model_version(name, f"models:/{model.model_id}", model.run_id, tags={TAG: tag})
    client.set_registered_model_alias(name, "champion", "1")
