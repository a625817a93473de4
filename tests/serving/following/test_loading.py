"""A version is loaded with the fast path that its tag claims."""

from typing import Any

import pytest
import sklearn.pipeline

from regrow.models.contract import Rows
from regrow.models.fast_path.proof import TAG, claim
from regrow.models.fitting import fit_pipeline
from regrow.project import Training
from regrow.serving.following.loading import load_version


def test_rows_take_the_fast_path_only_where_the_tag_claims_it(
    registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the tag, requests are answered past the pipeline, alone and together; without it, by the pipeline."""
    training = Training(
        estimator="sklearn.ensemble.HistGradientBoostingClassifier", parameters={"max_iter": 5}
    )
    pipeline, _ = fit_pipeline(training, registry.frame, (registry.frame["hour"] > 12).astype(int))
    number = registry.register(pipeline, "fast")
    plain = load_version("fast", number)
    registry.client.set_model_version_tag("fast", str(number), TAG, f"{claim()} on 500 rows")
    fast = load_version("fast", number)
    row = Rows({"carrier": ["UA"], "distance": [900.0], "hour": [17]}, 1, [None], [None])
    expected = plain.predict([row, row])

    def refuse(*_: object) -> None:
        raise AssertionError("the pipeline was asked")

    monkeypatch.setattr(sklearn.pipeline.Pipeline, "predict_proba", refuse)
    assert (fast.predict([row, row]) == expected).all()
    assert (fast.predict([row]) == expected[:1]).all()
    with pytest.raises(AssertionError, match="the pipeline was asked"):
        plain.predict([row])
