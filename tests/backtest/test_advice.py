"""What is recommended."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from small_past import END, FILE, START, Counting, history_of, past_rows, project_of, take_all

from regrow.backtest.advice import lines_of, recommend
from regrow.backtest.answers import Kept
from regrow.backtest.figures import ORACLE, Reached, Scale
from regrow.backtest.policies import Policy, make_policies
from regrow.backtest.replay import Story, Workshop, timetables
from regrow.project import Project


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
    assert yaml.safe_load(best.lines)["retraining"]["age"] == "30d"


def test_lines_are_of_the_project_file(tmp_path: Path) -> None:
    """Each word is written as the keys that it changes, and nothing else is."""
    project = project_of(tmp_path)
    words = [
        ("never", "90d:judged", "none"), ("drift", "all", "expected"), ("harm", "file", "non_inferior"),
        ("file", "file", "rows"),
    ]  # fmt: skip
    told = [
        yaml.safe_load(lines_of(project, make_policies(project, [when], [window], [gates])[1]))
        for when, window, gates in words
    ]
    beats = {"kind": "beats_baseline"}, {"kind": "beats_champion"}
    assert told == [
        {
            "training": {"window": "90d", "refit": False},
            "retraining": {"on_alarm": False},
            "evaluation": {"gates": []},
        },
        {
            "training": {"window": None},
            "monitoring": {"drift": {"alarm": True}},
            "evaluation": {"gates": [beats[0], beats[1] | {"ask": "expected"}]},
        },
        {"evaluation": {"gates": [beats[0], beats[1] | {"ask": "non_inferior", "margin": 0.02}]}},
        {"data": {"unit": "row"}},
    ]
    assert lines_of(project, make_policies(project, ["harm"], ["file"], ["file"])[1]) == ""


@pytest.mark.parametrize(
    ("when", "window", "gates"),
    [
        ("never", "file", "file"),
        ("20d", "file", "none"),
        ("20d", "15d", "non_inferior"),
        ("drift", "40d:judged", "non_inferior:0.3"),
        ("harm", "all", "expected"),
        ("harm", "file", "proven"),
        ("file", "file", "rows"),
    ],
)
def test_a_file_with_the_lines_is_the_policy(tmp_path: Path, when: str, window: str, gates: str) -> None:
    """What is recommended and what its lines do is one: the same alarms, trainings, promotions and models."""
    text = FILE.replace(
        "least_labels: 50", 'least_labels: 50, age: 10d, schedule: "0 5 * * *", breaker: 1'
    ).replace("window: 30d }", 'windows: [30d, 50d], schedule: "0 4 1 * *" }')
    project = project_of(tmp_path, text)
    asked = make_policies(project, [when], [window], [gates])[1]
    own = make_policies(written_into(tmp_path / "other", text, lines_of(project, asked)), [], [], [])[0]
    kept, rows = Kept(tmp_path / "kept"), past_rows(turn=45, count=1200)
    tables = timetables(START, END, timedelta(days=10), 1)
    lives: list[Story] = []
    for policy in (asked, own):
        workshop = Workshop(history_of(policy.project, rows), kept, take_all, Counting())
        lives += workshop.run([policy], tables, [0])
    assert own.is_the_files
    assert lives[0] == replace(lives[1], policy=asked)
    assert bool(lives[0].trained) == (when != "never")


def written_into(folder: Path, text: str, lines: str) -> Project:
    """Return the project file *text* in *folder* with *lines* over its own, key by key."""
    folder.mkdir()
    return project_of(folder, yaml.safe_dump(over(yaml.safe_load(text), yaml.safe_load(lines))))


def over(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return *old* with the values of *new*, of a mapping within key by key."""
    changed = {
        key: over(old[key], value) if isinstance(value, dict) and isinstance(old.get(key), dict) else value
        for key, value in new.items()
    }
    return old | changed
