"""All models are one question to the registry, whoever its server is."""

from types import SimpleNamespace
from typing import Any

import pytest

from regrow.base.tracking import Outline
from regrow.registry.state import State
from regrow.serving.following import expected as module
from regrow.serving.following.expected import Expected, RegistryReader

SERVING = State(champion=3, move=7)


@pytest.fixture(scope="module", autouse=True)
def at_registry() -> None:
    """Do without the registry that the other tests need."""


class Page(list[SimpleNamespace]):
    """The one page of results, as MLflow returns it: a list with a token."""

    token = ""


def client(*names: str) -> Any:
    """Return a client whose search finds models called *names*."""
    models = [SimpleNamespace(name=name, aliases={"champion": "3"}, tags={}) for name in names]
    return SimpleNamespace(search_registered_models=lambda **_: Page(models))


@pytest.mark.parametrize("names", [(), ("demo",), ("demo", "later")])
def test_a_server_that_can_tell_is_asked_for_the_outlines(names: tuple[str, ...]) -> None:
    """They say as much as the models would; names leave the others out, and MLflow's search is not asked."""
    outlines = (
        Outline(name="demo", champion=3, state=SERVING.model_dump_json()),
        Outline(name="other", champion=1, state=None),
    )
    read = RegistryReader(SimpleNamespace(), names, lambda: outlines).read()  # pyright: ignore[reportArgumentType]
    assert read["demo"] == Expected(3, SERVING)
    assert ("other" in read) == (not names)


def test_a_server_that_cannot_tell_is_searched_and_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several models are one search; the question that was in vain is not put each time."""
    asked, moment = list[float](), [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: moment[0])
    reader = RegistryReader(client("a", "b", "c"), ("a", "c"), lambda: asked.append(moment[0]))
    for now in (100.0, 101.0, 100.0 + module.ASK_AGAIN):
        moment[0] = now
        assert sorted(reader.read()) == ["a", "c"]
    assert asked == [100.0, 100.0 + module.ASK_AGAIN]
