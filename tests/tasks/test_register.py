"""What a version's tags say of it is true."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature

from regrow.data.snapshots import write_snapshot
from regrow.models.fast_path.proof import claim
from regrow.models.stored import LoadedModel
from regrow.project import Training
from regrow.results import Candidate, ModelFacts
from tasks import register
from tasks.fit import fit_pipeline


def test_the_fast_path_is_proven_on_the_whole_holdout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The tag counts every row of the holdout, as the snapshot brings them."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"carrier": draw.choice(["AA", "UA"], 300), "hour": draw.integers(0, 24, 300)})
    target = (frame["hour"] > 12).astype(int)
    holdout = write_snapshot(frame.assign(late=target))
    training = Training(estimator="sklearn.linear_model.LogisticRegression", parameters={})
    pipeline, _ = fit_pipeline(training, frame, target)
    facts = ModelFacts(
        project="p", kind="binary", classes=(0, 1), id=None, timestamp=None, training=holdout, holdout=holdout
    )
    model = LoadedModel("m-1", pipeline, infer_signature(frame, pipeline.predict_proba(frame)), facts)
    monkeypatch.setattr(register, "load_model", lambda _: model)
    candidate = Candidate(model_id="m-1", run_id="r", recipe="0", facts=facts)
    assert register.describe_fast_path(candidate).startswith(f"{claim()} on 300 rows and ")
