"""The policies that words name."""

from datetime import timedelta
from pathlib import Path

import pytest
from small_past import FILE, project_of

from regrow.backtest.policies import make_policies, without_costs
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


def test_no_loss_beyond_a_margin_is_asked(tmp_path: Path) -> None:
    """It is what the alarm tolerates, unless the word says it, or a gate of the file that asks the same."""

    def asked(text: str, word: str) -> ChampionGate:
        gates = make_policies(project_of(tmp_path, text), ["never"], ["file"], [word])[
            1
        ].project.evaluation.gates
        return next(gate for gate in gates if isinstance(gate, ChampionGate))

    mine = FILE.replace(
        "primary: roc_auc", "primary: roc_auc, gates: [{ kind: beats_champion, ask: ASK, margin: 0.07 }]"
    )
    assert asked(FILE, "non_inferior") == ChampionGate(kind="beats_champion", ask="non_inferior", margin=0.02)
    assert asked(FILE, "non_inferior:0.005").margin == 0.005
    assert asked(mine.replace("ASK", "non_inferior"), "non_inferior").margin == 0.07
    assert asked(mine.replace("ASK", "proven"), "non_inferior").margin == 0.02


@pytest.mark.parametrize("word", ["proven", "expected", "rows", "non_inferior:0.01"])
def test_a_gain_is_asked_of_a_file_whose_gates_ask_for_none(tmp_path: Path, word: str) -> None:
    """The word adds the champion's gate, and leaves the file's own alone."""
    text = FILE.replace(
        "primary: roc_auc",
        "primary: roc_auc, gates: [{ kind: threshold, metric: roc_auc, at_least: 0.6 }]",
    )
    project = project_of(tmp_path, text)
    own, added = make_policies(project, ["never"], ["file"], [word])[1].project.evaluation.gates
    assert (own,) == project.evaluation.gates
    assert isinstance(added, ChampionGate)
    assert (added.ask, added.margin) == {
        "rows": ("proven", 0),
        "non_inferior:0.01": ("non_inferior", 0.01),
    }.get(word, (word, 0))


def test_a_loss_that_nobody_named_is_asked_for(tmp_path: Path) -> None:
    """If the alarm tolerates none, the word must say it."""
    project = project_of(tmp_path, FILE.replace("tolerance: 0.02", "tolerance: 0"))
    with pytest.raises(RegrowError, match=r"tolerance is 0.*non_inferior:0\.01"):
        make_policies(project, ["never"], ["file"], ["non_inferior"])
    assert make_policies(project, ["never"], ["file"], ["non_inferior:0.01"])


def test_what_costs_time_and_room_is_no_gate_of_the_past(tmp_path: Path) -> None:
    """Latency and size are of the machine that trains; the policy keeps them for the file's lines."""
    text = FILE.replace(
        "primary: roc_auc",
        "primary: roc_auc, gates: [{ kind: latency, at_most: 5 }, { kind: size, at_most: 1 }]",
    )
    project = make_policies(project_of(tmp_path, text), [], [], [])[0].project
    assert [gate.kind for gate in project.evaluation.gates] == ["latency", "size"]
    assert without_costs(project).evaluation.gates == ()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((["often"], ["file"], ["file"]), "--policies often"),
        ((["0d"], ["file"], ["file"]), "--policies 0d"),
        ((["never"], ["long"], ["file"]), "--windows long"),
        ((["never"], ["file"], ["soft"]), "--gates soft"),
        ((["never"], ["file"], ["proven:0.01"]), "--gates proven:0.01"),
        ((["never"], ["file"], ["non_inferior:-1"]), "--gates non_inferior:-1"),
        ((["never"], ["file"], ["non_inferior:few"]), "--gates non_inferior:few"),
    ],
)
def test_a_word_that_is_none_is_named(
    tmp_path: Path, words: tuple[list[str], list[str], list[str]], told: str
) -> None:
    """With its option."""
    with pytest.raises(RegrowError, match=told):
        make_policies(project_of(tmp_path), *words)
