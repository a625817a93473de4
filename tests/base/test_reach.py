"""Whether a server answers."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from regrow.base.errors import Unreachable
from regrow.base.reach import check_reachable, check_signed_in, why_silent
from regrow.base.settings import Settings


class Answer(BaseHTTPRequestHandler):
    """Answers with the status that is the last part of the path."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.rpartition("/")[2]))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_only_success_is_an_answer(url: str) -> None:
    """An error is not an answer, unless any answer will do."""
    assert why_silent(f"{url}/200") is None
    assert why_silent(f"{url}/503") == "status 503"
    assert why_silent(f"{url}/503", any_status=True) is None


def test_a_proxy_is_not_asked_for_this_machines_own_servers(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a proxy in the environment the servers of `regrow up` are reached all the same."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert why_silent(f"{url}/200") is None


@pytest.mark.parametrize(
    "broken", ["http://127.0.0.1:1", "http://[::1", "http://127.0.0.1:99999", "not a url"]
)
def test_an_address_that_cannot_be_reached_has_a_reason(broken: str) -> None:
    """A server that is down, and an address that is none, are a reason and not an exception."""
    assert why_silent(broken, timeout=1)


def test_the_server_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the server, its address, the command that starts it and the variable."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(Unreachable, match=r"MLflow .*127\.0\.0\.1:1/health.*regrow up.*MLFLOW_TRACKING_URI"):
        check_reachable(Settings(home=tmp_path), prefect=False)


@pytest.mark.parametrize(("page", "name"), [("/admin/version", "Prefect"), ("/version", "MLflow")])
def test_a_password_that_is_not_known_is_told(
    page: str, name: str, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A server that does not let us in is an error that names the server, the password's file and what to do."""

    def answer(asked: str, **_: object) -> str | None:
        return "status 401" if asked == f"{url}{page}" else None

    monkeypatch.setattr("regrow.base.reach.why_silent", answer)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    monkeypatch.setenv("PREFECT_API_URL", url)
    with pytest.raises(Unreachable, match=rf"{name} at .*{tmp_path}/password.*REGROW_HOME"):
        check_signed_in(Settings(home=tmp_path))
    if name == "Prefect":
        check_signed_in(Settings(home=tmp_path), prefect=False)
