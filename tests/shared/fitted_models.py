"""Models that the flow's own functions fit, in memory, and the rows that they are fitted on."""

import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from model_facts import make_facts
from threadpoolctl import threadpool_limits

from regrow.models.fitting import fit_pipeline, kind_of
from regrow.models.stored import LoadedModel
from regrow.project import Training

COLUMNS = ("carrier", "distance", "dest", "hour", "wind")


def frame(rows: int = 500) -> pd.DataFrame:
    """Make rows with text (one column of 70 values), whole numbers, fractions and gaps."""
    draw = np.random.default_rng(7)
    text = draw.choice(["AA", "UA", "DL"], rows).astype(object)
    text[draw.random(rows) < 0.1] = None
    number = draw.normal(1000, 300, rows)
    number[draw.random(rows) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "carrier": text,
            "distance": number,
            "dest": draw.choice([f"D{n}" for n in range(70)], rows),
            "hour": draw.integers(0, 24, rows),
            "wind": draw.normal(0, 1e-3, rows),
        }
    )


def fitted(
    estimator: str, parameters: dict[str, object], classes: int = 0, columns: tuple[str, ...] = COLUMNS
) -> LoadedModel:
    """Fit *estimator* as the flow does; no classes make it a regression."""
    features, draw = frame()[list(columns)], np.random.default_rng(3)
    score = frame()["hour"] / 24 + draw.random(len(features))
    target = pd.Series(pd.qcut(score, classes, labels=False)) if classes else score
    with threadpool_limits(1):
        pipeline, _ = fit_pipeline(Training(estimator=estimator, parameters=parameters), features, target)
    _, names = kind_of(pipeline)
    output = pipeline.predict_proba(features) if classes else pipeline.predict(features)
    facts = make_facts(*names)
    return LoadedModel("m-1", pipeline, infer_signature(features, output), facts)
