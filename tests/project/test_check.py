"""`check` refuses what `train` would refuse, accepts the rest, and runs nothing that the file only names."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regrow.base.errors import ProjectError
from regrow.project import Project, check, load_project
from regrow.project.check import check_project

Make = Callable[..., Project]
CSV = {"kind": "csv", "path": "rows.csv"}
HOOK = "import pandas as pd\ndef load(start, end):\n    return pd.DataFrame()\n"


def data(**changes: Any) -> dict[str, Any]:
    return {"source": CSV, "target": "late", "timestamp": "at", "id": "id"} | changes


def problems(project: Project) -> str:
    with pytest.raises(ProjectError) as raised:
        check_project(project.path)
    return str(raised.value)


def judge(project: Project, refused: str | None) -> None:
    """Assert that `check` says what is *refused* of *project*; None: that it takes it."""
    if refused is None:
        assert "ok:" in check_project(project.path)
    else:
        assert re.search(refused, problems(project))


@pytest.mark.parametrize("on_failure", ["reject", "quarantine"])
def test_an_expectation_is_taken_by_its_name(project: Make, on_failure: str) -> None:
    """Names are those of Great Expectations, and what judges the table cannot set rows aside: as in `train`."""
    divergence = {
        "expect": "expect_column_kl_divergence_to_be_less_than",
        "arguments": {
            "column": "size",
            "partition_object": {"bins": [0, 1], "weights": [1]},
            "threshold": 0.1,
        },
        "on_failure": on_failure,
    }
    made = project(data=data(expectations=[divergence]))
    if on_failure == "reject":
        assert "1 expectations" in check_project(made.path)
    else:
        assert (
            f"{made.path}: data.expectations.0.on_failure: {divergence['expect']}: judges the table"
            in problems(made)
        )


def test_a_class_that_is_no_estimator_is_not_run(project: Make, tmp_path: Path) -> None:
    """`check` calls nothing that the file names before it is known to be an estimator."""
    touched = tmp_path / "touched"
    training = {"estimator": "subprocess.Popen", "parameters": {"args": ["touch", str(touched)]}}
    assert "training.estimator: subprocess.Popen is no estimator" in problems(project(training=training))
    assert not touched.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"training": {"estimator": "sklearn.cluster.KMeans"}},
            "training.estimator: .* is neither a classifier",
        ),
        (
            {"training": {"estimator": "sklearn.linear_model.Ridge", "parameters": {"alpha": "a"}}},
            "training.parameters: sklearn.linear_model.Ridge refuses them: .*'alpha'",
        ),
        (
            {
                "training": {
                    "estimator": "sklearn.linear_model.LogisticRegression",
                    "search": {"kind": "randomized", "space": {"depth": [1]}},
                }
            },
            "training.search.space: the estimator has no parameter `depth`",
        ),
        ({"evaluation": {"primary": "rmse"}}, "evaluation.primary: rmse does not measure a classifier"),
        (
            {"evaluation": {"primary": "roc_auc", "metrics": ["log_loss", "mae"]}},
            r"evaluation.metrics\.1: mae does not measure a classifier; choose from",
        ),
        (
            {
                "evaluation": {
                    "primary": "roc_auc",
                    "gates": [{"kind": "threshold", "metric": "r2", "at_least": 0}],
                }
            },
            r"evaluation.gates\.0\.metric: r2 does not measure a classifier",
        ),
        (
            {"deployment": {"rollout": {"kind": "ab", "metric": "rmse"}}},
            r"deployment.rollout\.metric: rmse does not measure a classifier",
        ),
    ],
)
def test_what_train_refuses_is_refused(project: Make, changes: dict[str, Any], said: str) -> None:
    """An estimator, its search, and a metric that cannot measure it are found without a row."""
    import re

    made = project(**changes)
    assert re.search(rf"{made.path.name}: {said}", problems(made))


@pytest.mark.parametrize("key", ["source", "labels"])
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def loat(start, end):\n    pass\n", "defines no `load`"),
        ("import sys\nsys.exit(2)\n", r"fails at import: SystemExit: 2 \(rows_hook.py, line 2\)"),
        ("raise KeyError('home')\n", r"fails at import: KeyError: 'home' \(rows_hook.py, line 1\)"),
        ("def load(:\n", r"fails at import: SyntaxError: .*\(rows_hook.py, line 1\)"),
        ("load = 3\n", "is no function"),
        ("def load():\n    pass\n", r"takes \(\), and is called with \(start, end\)"),
    ],
)
def test_a_hook_is_checked_wherever_it_stands(
    project: Make, tmp_path: Path, key: str, code: str, said: str
) -> None:
    """A hook of the rows and one of the labels are imported, and refused with file, line and reason."""
    import re

    (tmp_path / "rows_hook.py").write_text(code)
    made = project(data=data(**{key: {"kind": "python", "load": "rows_hook:load"}}))
    assert re.search(rf"{made.path.name}: data\.{key}.*{said}", problems(made))


def test_a_good_hook_is_not_called(project: Make, tmp_path: Path) -> None:
    """`check` imports a hook and reads its parameters; it loads no row."""
    (tmp_path / "rows_hook.py").write_text("def load(start, end):\n    raise SystemExit('called')\n")
    hook = {"kind": "python", "load": "rows_hook:load"}
    assert ": ok: " in check_project(project(data=data(source=hook, labels=hook)).path)


@pytest.mark.parametrize("kind", ["csv", "parquet", "delta"])
@pytest.mark.parametrize("key", ["source", "labels"])
def test_a_file_that_is_not_there_is_named(project: Make, kind: str, key: str) -> None:
    """A file or a table of the rows or of the labels is looked for beside the project file."""
    said = problems(project(data=data(**{key: {"kind": kind, "path": "nowhere"}})))
    assert f"data.{key}.path: no " in said
    assert "nowhere; give a path relative to the project file" in said


def test_the_digest_follows_the_hook_of_the_labels(project: Make, tmp_path: Path) -> None:
    """A changed hook changes the file's digest, whether it loads rows or labels, so no stored step is used again."""
    for key in ("source", "labels"):
        (tmp_path / "rows_hook.py").write_text(HOOK)
        made = project(data=data(**{key: {"kind": "python", "load": "rows_hook:load"}}))
        (tmp_path / "rows_hook.py").write_text(HOOK + "# changed\n")
        assert load_project(made.path).digest != made.digest


@pytest.mark.parametrize(
    ("delay", "window", "never"),
    [("7d", "7d", True), ("30d", "7d", True), ("6d", "7d", False), ("0s", "7d", False), ("30d", None, False)],
)
def test_a_training_window_without_a_label_is_refused(
    project: Make, delay: str, window: str | None, never: bool
) -> None:
    """If no row of the training window can have its label yet, `check` names key and remedy."""
    training = {"estimator": "sklearn.linear_model.LogisticRegression"} | (
        {"window": window} if window else {}
    )
    made = project(data=data(label_delay=delay), training=training)
    judge(made, r"training\.window: 1w is not longer than data\.label_delay.*longer one" if never else None)


def test_labels_that_come_after_the_window_are_no_obstacle(project: Make) -> None:
    """Performance is judged on the newest window whose labels have come, however late they are."""
    made = project(data=data(label_delay="90d"), monitoring={"window": "10d"})
    assert "note" not in check_project(made.path)


@pytest.mark.parametrize(
    ("unit", "window", "never"),
    [
        (None, "7d", True),
        (None, "9d", False),
        ("week", "14d", True),
        ("week", "70d", False),
        ("row", "1h", False),
    ],
)
def test_a_window_that_can_never_conclude_is_refused(
    project: Make, unit: str | None, window: str, never: bool
) -> None:
    """Performance is judged on ten days or weeks at least; a window that cannot hold them is named with what does."""
    made = project(data=data(**({"unit": unit} if unit else {})), monitoring={"window": window})
    judge(made, r"monitoring\.window: .* holds fewer than 10 \w+s, .*; write 10" if never else None)


@pytest.mark.parametrize(
    ("training", "evaluation", "message"),
    [
        ({"threshold": {"metric": "roc_auc"}}, {}, r"threshold\.metric: roc_auc is of probabilities"),
        ({"threshold": {"metric": "rmse"}}, {}, r"threshold\.metric: rmse does not measure a classifier"),
        (
            {"threshold": 0.3, "estimator": "sklearn.linear_model.Ridge"},
            {"primary": "rmse"},
            "training.threshold: a regression decides for no class",
        ),
        (
            {"sample_weight": "size", "estimator": "sklearn.neighbors.KNeighborsClassifier"},
            {},
            "KNeighborsClassifier takes no `sample_weight`",
        ),
        ({}, {"primary": "-scores:cost"}, "no file .*scores.py"),
        ({"preprocessing": "features:build"}, {}, "no file .*features.py"),
    ],
)
def test_what_training_and_evaluation_name_is_checked(
    project: Make, training: dict[str, Any], evaluation: dict[str, Any], message: str
) -> None:
    """A threshold without a decision, and own code that is not there, are found before anything is read."""
    made = project(
        training={"estimator": "sklearn.linear_model.LogisticRegression"} | training,
        evaluation={"primary": "roc_auc"} | evaluation,
    )
    with pytest.raises(ProjectError, match=message):
        check_project(made.path)


def test_explanations_without_their_package_are_told(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that asks for them is fine, as it is to `train`; the line says what to install so that they are made."""
    made = project(evaluation={"primary": "roc_auc", "explain": True})
    assert "shap" not in check_project(made.path)
    monkeypatch.setattr(check, "installed_version", lambda name: None)
    assert "pip install 'regrow[explain]'" in check_project(made.path)
    assert "shap" not in check_project(project().path)


def test_a_gate_must_fit_the_model_and_the_rows(project: Make) -> None:
    """Fairness and calibration are of classifiers, robustness needs a time: the gate is named by its key."""
    gates = [
        {"kind": "fairness", "column": "colour", "at_most": 0.1},
        {"kind": "calibration"},
        {"kind": "robustness"},
    ]
    check_project(project(evaluation={"primary": "roc_auc", "gates": gates}).path)
    made = project(
        data={"source": CSV, "target": "late", "id": "id"},
        training={"estimator": "sklearn.linear_model.Ridge"},
        evaluation={"primary": "rmse", "gates": gates},
    )
    with pytest.raises(ProjectError) as refused:
        check_project(made.path)
    for place, said in enumerate(["fairness is of a classifier", "calibration is of", "data.timestamp"]):
        assert f"evaluation.gates.{place}: " in str(refused.value)
        assert said in str(refused.value)


def test_a_regression_is_not_split_by_classes(project: Make) -> None:
    """`stratified` is for classes: a target with a value per row has none to keep the shares of."""
    data = {"source": CSV, "target": "late", "id": "id", "split": {"kind": "stratified"}}
    ridge = {"estimator": "sklearn.linear_model.Ridge"}
    made = project(data=data, training=ridge, evaluation={"primary": "rmse"})
    with pytest.raises(ProjectError, match=r"data\.split: `stratified` keeps the shares of classes"):
        check_project(made.path)


@pytest.mark.parametrize(
    ("training", "key"),
    [
        ({"sample_weight": {"half_life": "90d"}}, r"training\.sample_weight\.half_life"),
        ({"preprocessing": {"dates": "age"}}, r"training\.preprocessing\.dates"),
    ],
)
def test_an_age_needs_a_timestamp(project: Make, training: dict[str, Any], key: str) -> None:
    """Weights by age and ages of dates need the event's time; the error names the key that is missing."""
    estimator = {"estimator": "sklearn.linear_model.LogisticRegression"}
    made = project(data={"source": CSV, "target": "late", "id": "id"}, training=estimator | training)
    with pytest.raises(ProjectError, match=rf"{key}: an age is of data\.timestamp"):
        check_project(made.path)
    check_project(project(training=estimator | training).path)
