"""By which names the server is known, and that a web page by another name reaches nothing."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from regrow.base.settings import Settings
from regrow.serving.http.app import create_app
from regrow.serving.http.hosts import known_hosts

EVERYWHERE = "0.0.0.0"  # noqa: S104


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


async def ping(server: Any, host: Any, *sent: Any, **headers: Any):
    """Ask a server on *host* whether it is alive, by each of the Hosts *sent*; return the answers."""
    transport = httpx.ASGITransport(create_app(server, host))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return [await client.get("/ping", headers={"Host": name, **headers}) for name in sent]


async def test_a_foreign_name_is_refused(make_server: Callable[..., Any]):
    """The name of a page that leads to this address, and what is no name at all, is a 421 that is counted."""
    server = make_server()
    names = (
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "evil@localhost",
        "localhost#.evil",
        "",
    )
    for answer in await ping(server, "127.0.0.1", *names):
        assert (answer.status_code, answer.json()["error"]) == (421, "unknown_host")
    assert "'evil.example'" in (await ping(server, "127.0.0.1", "evil.example"))[0].json()["message"]
    labels = {"model": "", "version": "", "role": "", "status": "421"}
    assert server.metrics.registry.get_sample_value("regrow_requests_total", labels) == len(names) + 1


async def test_it_is_known_by_its_addresses_and_as_localhost(make_server: Callable[..., Any]):
    """Any address, with or without a port, and localhost in any case are this server's."""
    names = ("127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "192.168.1.7:8000", "LocalHost:1", "localhost.")
    assert {answer.status_code for answer in await ping(make_server(), "127.0.0.1", *names)} == {200}


async def test_other_names_are_a_setting(make_server: Callable[..., Any]):
    """REGROW_SERVER_HOSTS adds names, all names under one, or any; REGROW_SERVER_URL names the server too."""
    settings = Settings.model_validate({"server_hosts": "models.example, *.Inner.example"})
    names = ("models.example:80", "a.inner.example", "a.b.inner.example", "inner.example", "x.models.example")
    codes = [each.status_code for each in await ping(make_server(settings=settings), "127.0.0.1", *names)]
    assert codes == [200, 200, 200, 421, 421]
    every = make_server(settings=Settings(server_hosts=("*",)))
    assert (await ping(every, "127.0.0.1", "anything.example"))[0].status_code == 200
    by_url = make_server(settings=Settings(server_url="http://regrow.example:8000"))
    assert (await ping(by_url, "127.0.0.1", "regrow.example:8000"))[0].status_code == 200


def test_beyond_loopback_it_is_known_by_the_machines_name(monkeypatch: pytest.MonkeyPatch):
    """On all addresses the machine's own name is this server's; on loopback it is not needed."""
    monkeypatch.setattr("socket.gethostname", lambda: "Worker-7")
    assert known_hosts(EVERYWHERE, Settings()) == {"localhost", EVERYWHERE, "worker-7"}
    assert known_hosts("127.0.0.1", Settings()) == {"localhost", "127.0.0.1"}
    assert "models.example" in known_hosts("models.example", Settings())


@pytest.mark.parametrize("name", ["http://models.example", "models.example:80", "a.*.example", "*x", "a b"])
def test_what_is_no_name_is_refused_at_the_start(name: Any):
    """An address with a scheme or a port in the setting would never match: it is an error that names the field."""
    with pytest.raises(ValidationError, match="server_hosts"):
        Settings.model_validate({"server_hosts": name})
