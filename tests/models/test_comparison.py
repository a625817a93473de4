"""Whether two models can be compared, and on which rows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema
from model_facts import make_facts

from regrow.base.errors import DataError
from regrow.data.snapshots import write_snapshot
from regrow.models.comparison import align_classes, choose_champion, exclude, unseen_rows, why_not_comparable
from regrow.models.stored import LoadedModel
from regrow.project import Data, GroupSplit, Project

DATA = {"source": {"kind": "csv", "path": "rows.csv"}, "target": "late", "id": "id"}
ROWS_AT_RANDOM = Data.model_validate(DATA)
FACTS = make_facts(0, 1)


@pytest.fixture
def state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "state"))


def test_seen_rows_are_left_out():
    """A row that the champion was trained on is not compared; without an id its content tells."""
    frame = pd.DataFrame({"a": [1, 2, 2], "b": ["x", "y", "z"]})
    seen = pd.DataFrame({"b": ["y"], "a": [2]})
    assert exclude(frame, seen, ["a", "b"])["b"].tolist() == ["x", "z"]
    assert exclude(frame, seen, ["a"])["b"].tolist() == ["x"]


def test_rows_of_seen_groups_are_left_out(project: Callable[..., Project], state_folder: None) -> None:
    """A group split compares on groups that the champion has never seen, and on no row that it has seen."""
    made = project(data={**DATA, "split": {"kind": "group", "column": "customer"}})
    holdout = pd.DataFrame({"customer": [1, 1, 2, 3, 4], "id": list("abcde"), "late": [0, 1, 0, 1, 0]})
    training = pd.DataFrame({"customer": [1.0, 9.0, np.nan], "id": list("xdz"), "late": [0, 1, 1]})
    left = unseen_rows(made, holdout, write_snapshot(training))
    assert left["id"].tolist() == ["c", "e"]
    with pytest.raises(DataError, match="all 2 holdout rows, or on their `customer`"):
        unseen_rows(made, holdout[:2], write_snapshot(training))


def test_ids_are_the_same_in_whatever_type_they_were_stored(
    project: Callable[..., Project], state_folder: None
) -> None:
    """Row 7 was seen, whether the training held it as a number, as text, or beside gaps."""
    made = project(data={**DATA})
    holdout = pd.DataFrame({"id": [7, 8], "late": [0, 1]})
    for ids in (["7", "x"], [7.0, np.nan], [7, 1]):
        training = write_snapshot(pd.DataFrame({"id": ids, "late": [0, 1]}))
        assert unseen_rows(made, holdout, training)["id"].tolist() == [8]


def test_the_same_customer_of_another_month_was_not_seen(
    project: Callable[..., Project], state_folder: None
) -> None:
    """A recurring entity is left out with the rows that were trained on, not with those of other months."""
    data = {name: value for name, value in DATA.items() if name != "id"}
    made = project(data=data | {"timestamp": "at", "entity": "customer"})
    at = pd.to_datetime(["2026-01-01", "2026-02-01", "2026-02-01"], utc=True)
    holdout = pd.DataFrame({"customer": [1, 1, 2], "at": at, "size": [5, 6, 7], "late": [0, 1, 0]})
    training = write_snapshot(holdout[:1].assign(size=9))
    assert unseen_rows(made, holdout, training)["size"].tolist() == [6, 7]


def test_without_an_id_at_the_time_the_content_tells(
    project: Callable[..., Project], state_folder: None
) -> None:
    """Rows trained on before the table had its id are known by what both tables hold, whatever its types."""
    made = project(data={**DATA})
    holdout = pd.DataFrame({"id": ["a", "b"], "size": [1.0, 2.0], "late": [0, 1]})
    training = write_snapshot(pd.DataFrame({"size": [2, 5], "late": [1, 1], "gone": [0, 0]}))
    assert unseen_rows(made, holdout, training)["id"].tolist() == ["a"]


def champion(columns: dict[str, str], classes: tuple[Any, ...], kind: str = "binary") -> LoadedModel:
    """Make a champion with a signature and facts, and no pipeline: it is only asked whether it fits."""
    inputs = Schema([ColSpec(kind, name) for name, kind in columns.items()])
    facts = FACTS.model_copy(update={"kind": kind, "classes": classes})
    return LoadedModel("m-1", cast(Any, None), ModelSignature(inputs), facts)


@pytest.mark.parametrize(
    ("columns", "classes", "kind", "said"),
    [
        ({"size": "double"}, (0, 1), "binary", ""),
        ({"size": "double"}, (False, True), "binary", ""),
        ({"size": "double"}, (0,), "multiclass", ""),
        (
            {"size": "double", "old": "double"},
            (0, 1),
            "binary",
            "it takes the column `old`, which the rows do not",
        ),
        ({"size": "double"}, (0, 1, 2), "multiclass", "it knows the class 2, which the candidate does not"),
        ({"size": "double"}, ("no", "yes"), "binary", "it knows the classes 'no', 'yes', which"),
        ({"size": "double"}, (), "regression", "its kind is regression, the candidate's binary"),
    ],
)
def test_a_champion_that_cannot_be_compared_says_why(
    columns: dict[str, str], classes: tuple[Any, ...], kind: str, said: str
) -> None:
    """A column that is gone, a class that the candidate lost, another kind of model; a new class is no obstacle."""
    found = why_not_comparable(
        ROWS_AT_RANDOM, champion(columns, classes, kind), FACTS, pd.DataFrame({"size": [1.0]})
    )
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_a_champion_whose_groups_are_unknown_says_so() -> None:
    """A split by groups needs the groups that the champion was trained on."""
    by_customer = ROWS_AT_RANDOM.model_copy(update={"split": GroupSplit(kind="group", column="customer")})
    rows, model = pd.DataFrame({"size": [1.0]}), champion({"size": "double"}, (0, 1))
    assert "its training rows have no `customer`" in why_not_comparable(by_customer, model, FACTS, rows)
    told = model.facts.training.model_copy(update={"columns": {"customer": "int64"}})
    model = replace(model, facts=model.facts.model_copy(update={"training": told}))
    assert why_not_comparable(by_customer, model, FACTS, rows) == ""


def test_a_champion_gives_a_class_that_it_does_not_know_no_probability() -> None:
    """Its probabilities stand under the candidate's classes, in their order."""
    aligned = align_classes(np.array([[0.3, 0.7]]), ("b", "a"), ("a", "b", "c"))
    np.testing.assert_array_equal(aligned, [[0.7, 0.3, 0.0]])


def test_a_champion_that_has_learnt_the_holdout_is_compared_as_it_was_judged(
    project: Callable[..., Project], state_folder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fitted again, it knows most rows: its recipe stands for it, on all rows, and a remark says so. Else it serves."""
    made = project(data={**DATA})
    holdout = pd.DataFrame({"id": list("abcd"), "late": [0, 1, 0, 1]})
    before, known = (
        write_snapshot(pd.DataFrame({"id": list(ids), "late": [0, 1, 0]})) for ids in ("xyz", "abc")
    )
    recipe = cast(Any, SimpleNamespace(facts=make_facts(0, 1, training=before)))
    monkeypatch.setattr("regrow.models.comparison.load_model", {"models:/m-0": recipe}.__getitem__)
    served = cast(Any, SimpleNamespace(facts=make_facts(0, 1, training=known, judged="m-0")))
    shown, rows, remark = choose_champion(made, served, holdout)
    assert shown is recipe
    assert rows["id"].tolist() == list("abcd")
    assert remark.startswith("the champion as it serves has learnt 3 of 4 held-out rows")
    newer = holdout.assign(id=["c", "d", "e", "f"])
    shown, rows, remark = choose_champion(made, served, newer)
    assert shown is served
    assert rows["id"].tolist() == ["d", "e", "f"]
    assert remark == ""
