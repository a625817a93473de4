"""The route that tells who serves, on a registry in a file."""

from pathlib import Path

import pytest
from flask import Flask
from mlflow.entities.model_registry import RegisteredModelTag
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from regrow.base.tracking import ROUTE, Outline
from regrow.services import registry_route
from regrow.services.registry_route import add_route, read_outlines


@pytest.fixture
def store(tmp_path: Path) -> SqlAlchemyStore:
    """Return a registry with a champion that rolls out, one without state, and a model without champion."""
    made = SqlAlchemyStore(f"sqlite:///{tmp_path}/registry.db")
    for name, tags in {
        "rolling": {"regrow.state": "{}", "other": "x"},
        "plain": {},
        "none": {"regrow.state": "{}"},
    }.items():
        made.create_registered_model(name, [RegisteredModelTag(key, value) for key, value in tags.items()])
        for _ in range(3):
            made.create_model_version(name, str(tmp_path))
    made.set_registered_model_alias("rolling", "champion", 3)
    made.set_registered_model_alias("rolling", "challenger", 2)
    made.set_registered_model_alias("plain", "champion", 1)
    return made


def test_champions_and_their_state_are_told(store: SqlAlchemyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each model that has a champion stands there once, also over HTTP; other aliases and tags do not."""
    shown = (Outline(name="plain", champion=1, state=None), Outline(name="rolling", champion=3, state="{}"))
    assert read_outlines(store.engine) == shown
    monkeypatch.setattr(registry_route, "_get_model_registry_store", lambda: store)
    application = Flask("mlflow")
    add_route(application)
    answer = application.test_client().get(ROUTE)
    assert [one["name"] for one in answer.get_json()] == ["plain", "rolling"]
