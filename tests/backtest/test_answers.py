"""What is kept of a training."""

from pathlib import Path

import numpy as np
import pytest
from small_past import START, history_of, past_rows, project_of

from regrow.backtest.answers import Answers, Facts, Kept, key_of


@pytest.mark.parametrize("classes", [(), (0, 1), ("a", "b", "c")])
def test_answers_are_read_as_they_were_kept(tmp_path: Path, classes: tuple[str | int, ...]) -> None:
    """Of a regression, of two classes and of three."""
    flags = np.array([True, False, True])
    values = np.arange(9.0).reshape(3, 3)[:, : len(classes)] if classes else np.array([1.0, np.nan, 2.0])
    kept, answers = Kept(tmp_path / "new"), Answers(
        Facts(START.isoformat(), classes=classes, seconds=1.5), flags, ~flags, flags, values, values + 1
    )  # fmt: skip
    assert not kept.has("k")
    kept.keep("k", answers)
    found = kept.read("k")
    assert kept.has("k")
    assert found.facts == answers.facts
    assert found.as_of == START
    for name in ("trained", "held", "learnt", "judged", "served"):
        assert np.array_equal(getattr(found, name), getattr(answers, name), equal_nan=True)


def test_a_key_follows_all_that_determines_a_training(tmp_path: Path) -> None:
    """Rows, recipe, moment and checks count; what the policy says does not, so policies share models."""
    project, rows = project_of(tmp_path), past_rows()
    history = history_of(project, rows)
    key = key_of(project, history, START, "a")
    other = project.model_copy(
        update={"retraining": project.retraining.model_copy(update={"least_labels": 1})}
    )
    assert key_of(other, history, START, "a") == key
    seeded = project.model_copy(update={"training": project.training.model_copy(update={"seed": 5})})
    changed = history_of(project, rows.assign(size=rows["size"] + 1))
    keys = {
        key,
        key_of(seeded, history, START, "a"),
        key_of(project, changed, START, "a"),
        key_of(project, history, START, "b"),
        key_of(project, history, START.replace(day=1, month=3), "a"),
    }
    assert len(keys) == 5
