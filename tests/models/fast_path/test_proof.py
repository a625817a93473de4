"""What counts as a proof that the fast path answers as the pipeline does, and how long it is believed."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from fitted_models import fitted, frame

from regrow.base.errors import NoFastPath
from regrow.models.fast_path.compiling import MOST_ROWS, FastPath, compile_pipeline
from regrow.models.fast_path.proof import claim, describe, prove, trusted
from regrow.models.stored import LoadedModel


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """Fit a small model."""
    return fitted("sklearn.linear_model.LogisticRegression", {}, 2)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, model: LoadedModel) -> Callable[..., None]:
    """Let the fast path change its own answer, or give one if it has none."""
    path = compile_pipeline(model)

    class Changed:
        def __init__(self, change: Callable[..., object]) -> None:
            self.change = change

        def predict(self, values: object, rows: int) -> object:
            return self.change(path.predict(values, rows), rows)  # pyright: ignore[reportArgumentType]

    def install(change: Callable[..., object]) -> None:
        monkeypatch.setattr("regrow.models.fast_path.proof.compile_pipeline", lambda _: Changed(change))

    return install


def test_a_plan_that_differs_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leaf that differs in its last bit is no identical answer, and the reason says by how much."""
    model = fitted("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 5}, 2)
    plan = compile_pipeline(model)
    leaves = vars(model.pipeline[-1])["_predictors"][3][0].nodes
    leaves["value"] = np.nextafter(leaves["value"], np.inf)
    monkeypatch.setattr("regrow.models.fast_path.proof.compile_pipeline", lambda _: plan)
    with pytest.raises(NoFastPath, match="differ by up to"):
        prove(model, frame())


def test_a_claim_is_believed_only_while_it_holds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the tag, with another scikit-learn's, or where some rows differ after all, the pipeline answers."""
    model, rows = fitted("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 5}, 2), frame(4)
    assert trusted(model, f"{claim()} on 500 rows", rows) is not None
    assert trusted(model, None, rows) is None
    assert trusted(model, "identical under scikit-learn 0.1 on 500 rows", rows) is None
    other = compile_pipeline(fitted("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 6}, 2))
    monkeypatch.setattr("regrow.models.fast_path.proof.compile_pipeline", lambda _: other)
    assert trusted(model, f"{claim()} on 500 rows", rows) is None
    assert "does not hold here" in caplog.text


def test_an_unknown_step_is_no_fast_path() -> None:
    """A pipeline that Regrow did not build answers itself, and the version's tag says why."""
    model = fitted("sklearn.linear_model.LogisticRegression", {}, 2)
    vars(model.pipeline[0])["transformers_"][1][1].steps[0][1].add_indicator = True
    assert describe(model, frame()).startswith("none: the transformer 'numbers' has parameters")


def test_a_proof_counts_its_rows(model: LoadedModel) -> None:
    """The tag of a version says on how many rows, and on how many altered ones, its fast path is identical."""
    proof = prove(model, frame(80))
    assert (proof.rows, type(proof.fast_path)) == (80, FastPath)
    assert proof.altered > 40
    assert prove(model, frame(80), alter=False).altered == 0
    assert describe(model, frame(80)) == f"{claim()} on 80 rows and {proof.altered} altered ones"


def test_the_work_of_a_proof_is_bounded(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many columns some are altered, and fewer rows are compared; no more is in memory for 1,500 than for 20."""
    cells = 20 * len(model.contract.columns)
    monkeypatch.setattr("regrow.models.fast_path.proof.MOST_ALTERED_CELLS", cells)
    monkeypatch.setattr("regrow.models.fast_path.proof.MOST_CELLS", 40 * len(model.features))
    proof = prove(model, frame(400))
    assert 8 <= proof.altered <= 21
    assert 20 < proof.rows <= 41


def test_rows_that_the_contract_refuses_prove_nothing(model: LoadedModel) -> None:
    """A row that the model does not take is left out, and without any other there is no proof."""
    some = frame(5).astype({"hour": object})
    some.loc[[1, 3], "hour"] = 1.5
    assert prove(model, some, alter=False).rows == 3
    some["hour"] = 1.5
    with pytest.raises(NoFastPath, match="no row of the holdout passes"):
        prove(model, some)
    with pytest.raises(NoFastPath, match="no row of the holdout passes"):
        prove(model, frame(0))


def test_a_path_that_leaves_rows_to_the_pipeline_is_no_other_answer(
    model: LoadedModel, answer: Callable[..., None]
) -> None:
    """To give no answer is allowed on every row."""
    answer(lambda _found, _rows: None)
    assert prove(model, frame(5)).rows == 5


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_a_difference_is_found_in_batches_of_every_size(
    model: LoadedModel, answer: Callable[..., None], rows: int
) -> None:
    """An answer that differs in its last bit in batches of one size alone is found out."""
    answer(lambda found, count: np.nextafter(found, 2) if found is not None and count == rows else found)
    with pytest.raises(NoFastPath, match=f"its answers to {rows} rows differ by up to"):
        prove(model, frame(150), alter=False)


def test_a_difference_is_found_in_the_last_row(model: LoadedModel, answer: Callable[..., None]) -> None:
    """Of a long holdout most rows are compared at once, and the last of them is among these."""
    rows, seen = frame(3001), [0]

    def change(found: np.ndarray, count: int) -> np.ndarray:
        seen[0] += count
        return found if seen[0] < len(rows) else np.nextafter(found, 2)

    answer(change)
    with pytest.raises(NoFastPath, match="differ by up to"):
        prove(model, rows, alter=False)


def test_a_pipeline_that_answers_many_rows_otherwise_is_no_difference(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A matrix product may depend on the number of rows: what counts is the answer to as many as the path takes."""
    predict = LoadedModel.predict_checked

    def by_size(self: LoadedModel, features: pd.DataFrame) -> np.ndarray:
        answered = predict(self, features)
        return np.nextafter(answered, 2) if len(features) > MOST_ROWS else answered

    monkeypatch.setattr(LoadedModel, "predict_checked", by_size)
    assert prove(model, frame(3001), alter=False).rows == 3001


def test_an_answer_of_another_shape_is_another_answer(
    model: LoadedModel, answer: Callable[..., None]
) -> None:
    """One probability instead of the pipeline's two is named by both shapes."""
    answer(lambda found, _rows: found if found is None else found[:, 0])
    with pytest.raises(NoFastPath, match=r"the shape \(1,\), the pipeline's \(1, 2\)"):
        prove(model, frame(5), alter=False)


def test_what_the_pipeline_refuses_is_not_answered(model: LoadedModel, answer: Callable[..., None]) -> None:
    """A fast path that answers an infinite value, which the pipeline refuses, is found out by the altered rows."""
    answer(lambda found, rows: np.full((rows, 2), 0.5) if found is None else found)
    assert prove(model, frame(5), alter=False).rows == 5
    with pytest.raises(NoFastPath, match="it answers what the pipeline refuses"):
        prove(model, frame(5))
