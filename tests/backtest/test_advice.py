"""What is recommended."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import yaml
from small_past import history_of, past_rows, project_of

from regrow.backtest.advice import lines_of, recommend
from regrow.backtest.figures import ORACLE, Reached, Scale
from regrow.backtest.policies import Policy, make_policies


def reached(policy: Policy | None, figure: float, trainings: float, spread: float = 0.001) -> Reached:
    """Return what a policy reached, each of 20 blocks pulling by *spread*."""
    pulled = spread * np.random.default_rng(int(trainings * 10)).normal(size=20)
    name = policy.name if policy else ORACLE
    return Reached(name, policy, figure, (), pulled, trainings, 0, 0, 1.0, 0.0, ())


def test_the_fewest_trainings_that_lose_no_more_than_is_tolerated(tmp_path: Path) -> None:
    """A policy that is proven near the best at fewer trainings is taken; one that may lose more is not."""
    project = project_of(tmp_path)
    own, never, monthly = make_policies(project, ["never", "30d"], ["file"], ["file"])
    scale = Scale(history_of(project, past_rows()), "roc_auc", timedelta(days=1), (0, 1))
    found = [
        reached(own, 0.705, 3),
        reached(never, 0.66, 0),
        reached(monthly, 0.71, 9),
        reached(None, 0.72, 0),
    ]
    advice = recommend(project, found, scale)
    assert (advice.name, advice.lines) == ("file", "")
    wide = [reached(own, 0.70, 3, 0.05), reached(never, 0.66, 0, 0.05), reached(monthly, 0.71, 9, 0.05)]
    best = recommend(project, wide, scale)
    assert best.name == "30d"
    assert yaml.safe_load(best.lines) == {"retraining": {"on_alarm": False, "age": "30d"}}


def test_lines_are_of_the_project_file(tmp_path: Path) -> None:
    """Each word is written as the keys that it means, and the file takes them."""
    project = project_of(tmp_path)
    words = [("never", "90d:judged", "none"), ("drift", "all", "expected"), ("harm", "file", "file")]
    told = [
        yaml.safe_load(lines_of(project, make_policies(project, [when], [window], [gates])[1]))
        for when, window, gates in words
    ]
    assert told[0]["training"] == {"window": "90d", "refit": False}
    assert told[0]["evaluation"] == {"gates": []}
    assert told[1]["monitoring"] == {"drift": {"alarm": True}}
    assert {"kind": "beats_champion", "ask": "expected"} in told[1]["evaluation"]["gates"]
    assert told[2] == {"monitoring": {"drift": {"alarm": False}}, "retraining": {"on_alarm": True}}
    for number, lines in enumerate(told):
        whole = yaml.safe_load((tmp_path / "past.yaml").read_text())
        for key, values in lines.items():
            whole[key] = {**whole.get(key, {}), **values}
        folder = tmp_path / str(number)
        folder.mkdir()
        assert project_of(folder, yaml.safe_dump(whole)).name == "past"
