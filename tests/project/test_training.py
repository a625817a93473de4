"""The `training` part of a project file."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from regrow.project import HalvingSearch, RandomizedSearch, Training

SPACE = {"alpha": [0.1, 1, "auto", None, True]}


def training(**changes: Any) -> Training:
    """Read a `training` part with *changes*, as from JSON."""
    return Training.model_validate_json(json.dumps({"estimator": "sklearn.linear_model.Ridge"} | changes))


def test_an_estimator_alone_is_enough() -> None:
    """Without further keys all of the past is fitted once, with the seed 0."""
    made = training()
    assert (made.parameters, made.window, made.search, made.seed) == ({}, None, None, 0)


def test_the_window_is_a_duration() -> None:
    """How far back is a duration, not a number of rows or of seconds."""
    assert training(window="90d").window == timedelta(days=90)
    with pytest.raises(ValidationError, match="window"):
        training(window=90)


@pytest.mark.parametrize(("kind", "made"), [("randomized", RandomizedSearch), ("halving", HalvingSearch)])
def test_kind_decides_the_search(kind: str, made: type) -> None:
    """Each kind of search is read as its own type; a value that it tries keeps its type."""
    search = training(search={"kind": kind, "space": SPACE}).search
    assert search is not None
    assert type(search) is made
    assert [type(value) for value in search.space["alpha"]] == [float, int, str, type(None), bool]


@pytest.mark.parametrize("number", [float("inf"), -float("inf")])
def test_a_parameter_may_be_infinite(number: float) -> None:
    """scikit-learn takes infinity for no penalty: neither a parameter nor a search refuses it."""
    search = {"kind": "randomized", "space": {"C": [number]}}
    made = training(parameters={"C": number}, search=search)
    assert made.search is not None
    assert made.parameters["C"] == made.search.space["C"][0] == number


@pytest.mark.parametrize(
    "search",
    [
        {"kind": "grid", "space": SPACE},
        {"kind": "randomized"},
        {"kind": "randomized", "space": {"alpha": []}},
        {"kind": "randomized", "space": {"alpha": [[1]]}},
        {"kind": "randomized", "space": SPACE, "trials": 0},
        {"kind": "randomized", "space": SPACE, "folds": 1},
        {"kind": "halving", "space": SPACE, "trials": 1},
    ],
)
def test_a_search_without_a_choice_is_refused(search: dict[str, Any]) -> None:
    """A search tries at least one value, in at least one trial, on at least two folds; halving needs two trials."""
    with pytest.raises(ValidationError, match="search"):
        training(search=search)


@pytest.mark.parametrize("estimator", ["Ridge", "sklearn:Ridge:Ridge", "sklearn.linear_model.Ridge()"])
def test_an_estimator_is_an_import_path(estimator: str) -> None:
    """What is no import path of a class is refused before anything is imported."""
    with pytest.raises(ValidationError, match="estimator"):
        training(estimator=estimator)


def test_a_seed_is_a_whole_number() -> None:
    """A seed of another type would make another model on another machine."""
    with pytest.raises(ValidationError, match="seed"):
        training(seed=1.5)


def test_own_code_is_found_wherever_it_is_named() -> None:
    """The files of the team's own that a training uses are those of its estimators, inner ones too, and its hook."""
    inner = [["own", {"estimator": "models:Mine", "parameters": {"base": {"estimator": "models:Base"}}}]]
    made = training(
        estimator="sklearn.ensemble.StackingClassifier",
        parameters={"estimators": inner, "final_estimator": {"estimator": "sklearn.linear_model.Ridge"}},
        preprocessing="features:build",
    )
    assert made.own_code == ("models:Mine", "models:Base", "features:build")


def test_several_windows_are_read_in_their_order() -> None:
    """A duration, `all`, and one with a half-life; rows are read as far back as the longest reaches."""
    made = training(windows=["90d", {"window": "180d", "half_life": "30d"}])
    assert [str(each) for each in made.choices] == ["90d", "180d, half-life 30d"]
    assert (made.reach, made.shortest) == (timedelta(days=180), timedelta(days=90))
    made = training(windows=["90d", "all"])
    assert (made.reach, made.shortest) == (None, timedelta(days=90))
    assert training(window="60d").reach == timedelta(days=60)
    assert (training().reach, training().shortest, training().choices) == (None, None, ())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"window": "90d", "windows": ["90d", "all"]}, "say the same twice"),
        ({"windows": ["all", {"window": "all", "half_life": "60d"}], "sample_weight": "w"}, "two weights"),
        ({"windows": ["90d", {"window": "90d"}]}, "stands twice"),
        ({"windows": ["0d", "all"]}, "longer than nothing"),
        ({"windows": ["everything"]}, "windows"),
    ],
)
def test_windows_that_contradict_are_refused(given: dict[str, Any], message: str) -> None:
    """Windows beside a window, two weights of a row, and the same window twice say what to take out."""
    with pytest.raises(ValidationError, match=message):
        training(**given)
