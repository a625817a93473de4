"""One recipe gives one model."""

from types import SimpleNamespace
from typing import Any

import pytest
from model_facts import make_facts

from regrow.lineage import candidates
from regrow.lineage.candidates import find_again, find_model


def model(name: str, at: int, status: str = "READY") -> Any:
    return SimpleNamespace(model_id=name, creation_timestamp=at, status=status, source_run_id="run-0")


def client(*found: Any) -> Any:
    return SimpleNamespace(search_logged_models=lambda *_, **__: list(found))


def test_the_first_finished_model_of_a_recipe_is_taken() -> None:
    """One whose upload never ended is none; of two that were made side by side it is always the same one."""
    many = client(model("m-3", 3), model("m-1", 1, "PENDING"), model("m-2", 2))
    found = find_model(many, "1", "recipe")
    assert found is not None
    assert found.model_id == "m-2"
    assert find_model(client(model("m-1", 1, "FAILED")), "1", "recipe") is None


def test_a_recipe_that_has_a_model_is_noted_on_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The candidate is the same as then, made by the run of then; this run names it."""
    noted: list[Any] = []
    run: Any = SimpleNamespace(
        client=client(model("m-1", 1)),
        experiment_id="1",
        tag=lambda **tags: noted.append(tags),
        log_model_input=noted.append,
    )
    monkeypatch.setattr(candidates, "read_facts", lambda _: make_facts(0, 1))
    found = find_again(run, "recipe")
    assert found is not None
    assert (found.model_id, found.run_id, found.recipe) == ("m-1", "run-0", "recipe")
    assert noted == [{"found_again": "m-1"}, "m-1"]
    run.client = client()
    assert find_again(run, "recipe") is None
