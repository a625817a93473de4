"""What stands before Prefect's and MLflow's servers."""

import asyncio
import base64
from typing import Any

import pytest

from regrow.services.guard import Guard, own_origins

PORT = 4200
HOST = f"127.0.0.1:{PORT}"
RIGHT = "Basic " + base64.b64encode(b"regrow:secret").decode()


async def answer_well(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inside"})


def ask(
    headers: dict[str, str], /, password: str | None = None, public: str | None = None, **scope: Any
) -> list[dict[str, Any]]:
    """Send one request through the guard; return what it sends back."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    asked = {
        "type": "http",
        "method": "GET",
        "path": "/api/flows",
        "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
    }
    asyncio.run(Guard(answer_well, own_origins(PORT, public), password)(asked | scope, receive, send))
    return sent


def status(
    headers: dict[str, str], /, password: str | None = None, public: str | None = None, **scope: Any
) -> int:
    return ask(headers, password, public, **scope)[0]["status"]


@pytest.mark.parametrize("host", [HOST, f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"[::1]:{PORT}"])
def test_own_hosts_are_answered(host: str) -> None:
    """By any own name of this machine the server answers, and lets no other site show it within a page of its own."""
    start = ask({"Host": host})[0]
    assert start["status"] == 200
    assert (b"content-security-policy", b"frame-ancestors 'self'") in start["headers"]


@pytest.mark.parametrize(
    "host", ["attacker.example", f"attacker.example:{PORT}", "127.0.0.1", "127.0.0.1:1", ""]
)
def test_a_foreign_host_is_refused(host: str) -> None:
    """A name that an attacker's DNS points at this machine is refused, also with the right password."""
    assert status({"Host": host, "Authorization": RIGHT}, "secret") == 403


def test_a_request_without_a_host_or_with_two_is_refused() -> None:
    """Nobody can choose which of two hosts counts."""
    assert status({}) == 403
    doubled = [(b"host", HOST.encode()), (b"host", b"attacker.example")]
    assert status({}, headers=doubled) == 403
    assert status({}, headers=doubled[:1]) == 200


@pytest.mark.parametrize(
    "origin", ["https://attacker.example", "null", "http://127.0.0.1:9999", f"https://{HOST}"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_foreign_page_is_refused(origin: str, method: str) -> None:
    """What a page of another origin sends is refused, also of another port of this machine, and with the password."""
    headers = {"Host": HOST, "Origin": origin, "Authorization": RIGHT}
    assert status(headers, "secret", method=method) == 403
    assert status(headers, method=method) == 403


def test_the_own_pages_may_ask() -> None:
    """The server's own pages work by each of its names."""
    for origin in own_origins(PORT):
        assert status({"Host": HOST, "Origin": origin}, method="POST") == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_that_names_no_origin_is_known_by_its_site(site: str) -> None:
    """An image, a script or a frame of another site is refused; a link that a person follows is not."""
    sent = {"Host": HOST, "Sec-Fetch-Site": site}
    for mode, dest in (("no-cors", "image"), ("no-cors", "script"), ("navigate", "iframe")):
        assert status({**sent, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}) == 403
    link = {**sent, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert status(link) == 200
    assert status(link, method="POST") == 403
    assert status({"Host": HOST, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}) == 200


def test_a_websocket_of_a_foreign_page_is_closed_before_it_opens() -> None:
    """A page of a stranger gets no websocket either."""
    sent = ask({"Host": HOST, "Origin": "https://attacker.example"}, type="websocket")
    assert [each["type"] for each in sent] == ["websocket.close"]


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "Basic",
        "Basic !!!",
        "Bearer secret",
        "Basic " + base64.b64encode(b"regrow:wrong").decode(),
        "Basic " + base64.b64encode(b"other:secret").decode(),
        "Basic " + base64.b64encode("regrow:sécret".encode()).decode(),
    ],
)
def test_without_the_password_a_browser_is_asked_for_it(sent: str | None) -> None:
    """No password or a wrong one is status 401 with what makes a browser ask; the right one enters."""
    headers = {"Host": HOST} | ({"Authorization": sent} if sent else {})
    start = ask(headers, "secret")[0]
    assert start["status"] == 401
    assert dict(start["headers"])[b"www-authenticate"].startswith(b"Basic realm=")
    assert status({"Host": HOST, "Authorization": RIGHT}, "secret") == 200


def test_health_needs_no_password() -> None:
    """Whoever watches the server sees that it lives, by its own names alone."""
    assert status({"Host": HOST}, "secret", path="/health") == 200
    assert status({"Host": HOST}, "secret", path="/health/") == 401
    assert status({"Host": "attacker.example"}, "secret", path="/health") == 403


def test_a_proxy_shows_the_server_by_its_own_name() -> None:
    """The address that the settings name is an own one: its host, with or without the usual port, and its origin."""
    public = "https://mlflow.example.com/"
    for host in ("mlflow.example.com", "mlflow.example.com:443"):
        assert status({"Host": host, "Origin": "https://mlflow.example.com"}, public=public) == 200
    assert status({"Host": "mlflow.example.com", "Origin": "http://mlflow.example.com"}, public=public) == 403
