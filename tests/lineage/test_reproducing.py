"""A version comes out again from what was kept of it, on a real MLflow store."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from flows.train import train
from regrow import registry
from regrow.base import provenance
from regrow.base.errors import RegistryError
from regrow.lineage.reproducing import reproduce
from regrow.project import Project

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
FOREST = {"estimator": "sklearn.ensemble.RandomForestClassifier", "parameters": {"n_estimators": 5}}
SEARCH = {"kind": "randomized", "space": {"max_depth": [1, 2, 3]}, "trials": 2, "folds": 2}
CODE = """
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import StandardScaler


def build(columns):
    return make_column_transformer((StandardScaler(), [name for name in columns if columns[name] == "number"]))
"""


@pytest.mark.parametrize(
    "training",
    [FOREST, FOREST | {"search": SEARCH, "refit": False}, FOREST | {"preprocessing": "own:build"}],
    ids=["fitted twice", "searched", "own code"],
)
def test_a_version_comes_out_again(
    services: object, project: Callable[..., Project], training: dict[str, Any]
) -> None:
    """From snapshot, file and code as they were kept it is fitted again, whatever stands in their place by now."""
    made = project(training=training)
    (made.path.parent / "own.py").write_text(CODE)
    train(made.path, AS_OF)
    (made.path.parent / "own.py").write_text("raise SystemExit")
    made.path.write_text("name: another\n")
    (made.path.parent / "rows.csv").unlink()
    found = reproduce(f"models:/{made.name}/1")
    facts = registry.version(made.name, 1).facts
    assert (found.model, found.version, found.estimator) == (made.name, 1, training["estimator"])
    assert (found.fitted, found.compared) == (facts.training.rows, facts.holdout.rows)
    assert (found.different, found.distance, found.changed) == (0, 0.0, ())
    assert found == reproduce(f"models:/{made.name}@champion")


def test_what_differs_is_counted_and_what_changed_is_named(
    services: object, project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fit that no seed fixes answers otherwise, and the code that has changed since is named."""
    made = project(training={"estimator": "own:Drawn", "trust": []})
    (made.path.parent / "own.py").write_text(
        "import numpy as np\n"
        "from sklearn.linear_model import LogisticRegression\n\n\n"
        "class Drawn(LogisticRegression):\n"
        "    def fit(self, X, y, sample_weight=None):\n"
        "        super().fit(X, y)\n"
        "        self.coef_ = self.coef_ + np.random.default_rng().normal(size=self.coef_.shape)\n"
        "        return self\n"
    )
    train(made.path, AS_OF, override="whatever it shows")
    monkeypatch.setattr(provenance, "code_digest", lambda: "another")
    found = reproduce(f"models:/{made.name}/1")
    assert found.different > 0
    assert found.distance > 0
    assert found.changed == ("Regrow's own code",)


def test_what_is_gone_is_named(services: object, project: Callable[..., Project]) -> None:
    """A version that nobody knows, or whose flow run is gone with its project file, is an error that says so."""
    made = project()
    train(made.path, AS_OF)
    with pytest.raises(RegistryError, match="no version of"):
        reproduce(f"models:/{made.name}@nobody")
    version, client = registry.version(made.name, 1), registry.connect()
    client.delete_tag(version.run_id, "mlflow.parentRunId")
    with pytest.raises(RegistryError, match="version 1: its project file is not in MLflow"):
        reproduce(f"models:/{made.name}/1")
