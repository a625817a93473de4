"""The policies that words name."""

from datetime import timedelta
from pathlib import Path

import pytest
from small_past import FILE, project_of

from regrow.backtest.policies import make_policies
from regrow.base.errors import RegrowError
from regrow.project import ChampionGate


def test_the_files_own_policy_is_always_there_and_none_twice(tmp_path: Path) -> None:
    """It is what the others are compared with."""
    policies = make_policies(project_of(tmp_path), ["never", "file"], ["file"], ["file"])
    assert [policy.name for policy in policies] == ["file", "never"]
    assert policies[0].is_the_files


def test_words_change_what_they_name(tmp_path: Path) -> None:
    """When, the window, and the champion's gate."""
    (policy,) = make_policies(project_of(tmp_path), ["30d"], ["90d:judged"], ["expected"])[1:]
    assert policy.name == "30d, window 90d:judged, gates expected"
    assert policy.project.training.window == timedelta(days=90)
    assert not policy.project.training.refit
    assert policy.scheduled
    assert policy.project.retraining.cooldown == timedelta(days=30)
    gates = policy.project.evaluation.gates
    assert [gate.ask for gate in gates if isinstance(gate, ChampionGate)] == ["expected"]


def test_what_costs_time_and_room_is_no_gate_of_the_past(tmp_path: Path) -> None:
    """Latency and size are of the machine that trains."""
    text = FILE.replace(
        "primary: roc_auc",
        "primary: roc_auc, gates: [{ kind: latency, at_most: 5 }, { kind: size, at_most: 1 }]",
    )
    assert make_policies(project_of(tmp_path, text), [], [], [])[0].project.evaluation.gates == ()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((["often"], ["file"], ["file"]), "--policies often"),
        ((["0d"], ["file"], ["file"]), "--policies 0d"),
        ((["never"], ["long"], ["file"]), "--windows long"),
        ((["never"], ["file"], ["soft"]), "--gates soft"),
    ],
)
def test_a_word_that_is_none_is_named(
    tmp_path: Path, words: tuple[list[str], list[str], list[str]], told: str
) -> None:
    """With its option."""
    with pytest.raises(RegrowError, match=told):
        make_policies(project_of(tmp_path), *words)
