"""What policies reached, and how they differ."""

from pathlib import Path

import numpy as np
from small_past import MONTH, history_of, live, past_rows, project_of

from regrow.backtest.figures import ORACLE, Scale, classes_of, compare, measure_all


def reach(tmp_path: Path, turn: int, whens: tuple[str, ...], metric: str = "roc_auc"):
    """Return the scale and what each policy of a past with a *turn* reached."""
    history = history_of(project_of(tmp_path), past_rows(turn))
    stories, kept = live(history, tmp_path / "kept", whens)
    scale = Scale(history, metric, MONTH / 6, classes_of(stories, kept.read))
    return scale, {each.name: each for each in measure_all(stories, kept.read, scale)}


def test_equal_policies_are_not_distinguishable(tmp_path: Path) -> None:
    """`never` and a file that never alarms serve the same model: no difference, and it is said."""
    scale, found = reach(tmp_path, 200, ("never",))
    same = compare(found["never, gates none"], found["file"], scale)
    assert same.gain == 0
    assert not same.told
    assert "not distinguishable" in same.words


def test_a_policy_that_answers_the_turn_is_better_and_the_oracle_best(tmp_path: Path) -> None:
    """Monthly training after the turn is proven better than none; the oracle is at least as good as any."""
    scale, found = reach(tmp_path, 30, ("never", "30d"))
    gain = compare(found["30d, gates none"], found["never, gates none"], scale)
    assert gain.told
    assert gain.gain > 0.2
    back = compare(found["never, gates none"], found["30d, gates none"], scale)
    assert np.isclose(back.gain, -gain.gain)
    assert found[ORACLE].figure >= max(each.figure for each in found.values())
    assert found["30d, gates none"].trainings == 2
    assert len(found["30d, gates none"].by_span) == 3


def test_a_metric_without_a_closed_form_and_one_to_be_small_are_compared_too(tmp_path: Path) -> None:
    """The jackknife's pulls are joined to blocks alike; of a loss less is better."""
    scale, found = reach(tmp_path, 30, ("never", "30d"), "average_precision")
    assert compare(found["30d, gates none"], found["never, gates none"], scale).told
    small, less = reach(tmp_path, 30, ("never", "30d"), "log_loss")
    assert compare(less["30d, gates none"], less["never, gates none"], small).gain > 0
    assert less[ORACLE].figure <= less["30d, gates none"].figure


def test_few_blocks_tell_nothing(tmp_path: Path) -> None:
    """Three spans of a month are no five blocks."""
    history = history_of(project_of(tmp_path), past_rows(45))
    stories, kept = live(history, tmp_path / "kept", ("never", "30d"))
    scale = Scale(history, "roc_auc", MONTH, classes_of(stories, kept.read))
    found = measure_all(stories, kept.read, scale)
    difference = compare(found[1], found[2], scale)
    assert difference.interval is None
    assert "too few units" in difference.words
