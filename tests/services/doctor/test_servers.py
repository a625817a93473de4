"""Whether each part answers."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from deployments.register import make_pool
from regrow.base.settings import Settings, load_settings
from regrow.services import Services
from regrow.services.commands import POOL
from regrow.services.doctor import examine
from regrow.services.doctor.servers import look_at_record, look_at_runner, look_at_server, problems
from regrow.services.ownership import Record

NOW = datetime.now(UTC)


def record(
    state: str = "answers", restarts: int = 0, since: datetime = NOW, pid: int | None = None
) -> Record:
    """Make the record of a part."""
    return Record(pid or os.getpid(), None, state, since.isoformat(), restarts, "exit code 1")


@pytest.mark.parametrize(
    ("seen", "health"),
    [
        (record(), "well"),
        (record(restarts=2), "warning"),
        (record(restarts=2, since=NOW - timedelta(hours=2)), "well"),
        (record("down"), "wrong"),
        (record("waits"), "wrong"),
        (record(pid=2**22 + 1), "wrong"),
    ],
)
def test_what_the_supervisor_has_written_down(seen: Record, health: str) -> None:
    """A part that does not come back, and one whose `regrow up` was killed, are wrong; a recent restart is told."""
    found = look_at_record("mlflow", seen, NOW)
    assert found.health == health
    assert bool(found.remedy) == (health != "well")


@contextmanager
def answering(page: dict[str, object]) -> Iterator[str]:
    """Answer every request with *page*."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(page).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_the_model_server_says_of_itself_is_passed_on(tmp_path: Path) -> None:
    """A server that is not well is wrong with all that it tells; one that is well is well; one away is wrong."""
    told = {
        "status": "degraded",
        "models": {"a": {"problem": "version 3 does not load"}},
        "journal": {"error": None},
    }
    for page, health in ((told, "wrong"), ({"status": "ok"}, "well")):
        with answering(page) as url:
            (found,) = look_at_server(Settings(home=tmp_path, server_url=url))
        assert found.health == health
        assert ("version 3 does not load" in found.found) == (health == "wrong")
    (away,) = look_at_server(Settings(home=tmp_path, server_url="http://127.0.0.1:9"))
    assert away.health == "wrong" and "REGROW_SERVER_URL" in away.remedy


def test_problems_are_found_at_any_depth() -> None:
    """Each text under `error` or `problem` is found, of other workers too; empty ones are none."""
    page = {
        "error": "",
        "workers": {"others": [{"registry": {"error": "away"}}, {"keys": {"problem": "gone"}}]},
    }
    assert list(problems(page)) == ["away", "gone"]


def test_an_installation_without_servers_is_told_and_nothing_fails(
    settings_for: Callable[[Path], Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If nothing runs, every server is named with its remedy, and what it would know is not known."""
    settings = settings_for(tmp_path).model_copy(update={"configs": tmp_path / "none"})
    for variable, address in (
        ("PREFECT_API_URL", "http://127.0.0.1:9/api"),
        ("MLFLOW_TRACKING_URI", "http://127.0.0.1:9"),
    ):
        monkeypatch.setenv(variable, address)
    found = {each.check: each for each in examine(settings)}
    assert {name for name, each in found.items() if each.health == "wrong"} >= {"Prefect", "MLflow"}
    assert found["registry"].health == found["schedules"].health == "warning"
    assert all(each.remedy for each in found.values() if each.health != "well")


def test_a_runner_is_well_as_long_as_prefect_hears_of_it(services: Services) -> None:
    """Without a pool, without a worker and with a silent one nothing runs; with a heartbeat all is well."""
    settings = load_settings()
    with get_client(sync_client=True) as client:
        with suppress(ObjectNotFound):
            client.delete_work_pool(POOL)
        assert "knows no work pool" in look_at_runner(settings, datetime.now(UTC)).found
        asyncio.run(make_pool())
        assert look_at_runner(settings, datetime.now(UTC)).found.startswith("was never heard")
        client.send_worker_heartbeat(POOL, "regrow", heartbeat_interval_seconds=30)
    assert look_at_runner(settings, datetime.now(UTC)).health == "well"
    later = look_at_runner(settings, datetime.now(UTC) + timedelta(minutes=5))
    assert later.health == "wrong"
    assert "no flow runs, no schedule fires" in later.found
