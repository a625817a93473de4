"""One question for all models."""

from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException

from regrow.base import tracking
from regrow.base.tracking import Outline, ask_outlines, write_outlines

SHOWN = (Outline(name="a", champion=3, state=None), Outline(name="b", champion=1, state="{}"))


def answering(monkeypatch: pytest.MonkeyPatch, status: int, content: bytes) -> None:
    """Let the server answer *content* with *status*."""
    answer = SimpleNamespace(status_code=status, content=content)
    monkeypatch.setattr(tracking, "http_request", lambda *_, **__: answer)


def test_what_the_route_writes_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Server and client agree on the shape."""
    answering(monkeypatch, 200, write_outlines(SHOWN))
    assert ask_outlines("http://mlflow") == SHOWN


@pytest.mark.parametrize(("status", "content"), [(404, b""), (405, b""), (200, b"<html>")])
def test_another_mlflow_has_no_outline(monkeypatch: pytest.MonkeyPatch, status: int, content: bytes) -> None:
    """A server without the route, or one that shows a page in its place, is asked in MLflow's own way instead."""
    answering(monkeypatch, status, content)
    assert ask_outlines("http://mlflow") is None
    assert ask_outlines("sqlite:///mlflow.db") is None


def test_a_server_in_trouble_is_no_server_without_a_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models must not disappear because the registry fails."""
    answering(monkeypatch, 500, b"")
    with pytest.raises(MlflowException, match="status 500"):
        ask_outlines("http://mlflow")
