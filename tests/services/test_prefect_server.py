"""Prefect's server behind our guard: each attack from another page, host or user is refused."""

import os
from inspect import signature
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from prefect_http import signed_in

from regrow.base.settings import USER
from regrow.services import Services

PROMETHEUS = Path(__file__).parents[2] / "deployments" / "prometheus" / "prometheus.yml"
FOREIGN = "https://attacker.example"


def test_prefect_still_has_what_its_own_command_uses() -> None:
    """The undocumented parts of Prefect that start its server are there and take what we give them."""
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    signature(create_app).bind(final=True)
    api = get_current_settings().server.api
    assert api.keepalive_timeout > 0
    assert api.websocket_ping_interval > 0
    assert api.websocket_ping_timeout > 0
    assert get_current_settings().server.logging_level


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"auth": None}, 401),
        ({"auth": ("regrow", "wrong")}, 401),
        ({"headers": {"Prefect-Csrf-Token": "wrong"}}, 403),
        ({"headers": {"Origin": FOREIGN}}, 403),
        ({"headers": {"Origin": "null"}}, 403),
        ({"headers": {"Host": "attacker.example"}}, 403),
        ({"headers": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}}, 403),
    ],
    ids=["no password", "wrong password", "no token", "Origin", "Origin of a file", "Host", "another site"],
)
def test_a_stranger_cannot_ask_for_anything(
    services: Services, change: dict[str, Any], expected: int
) -> None:
    """Without the password, from a foreign page or by a foreign name no request is answered; as it is, it is."""
    with signed_in(services.prefect_api_url, services.environment["PREFECT_API_AUTH_STRING"]) as client:
        assert client.post("/flows/filter", json={}).status_code == 200
        assert client.post("/flows/filter", json={}, **change).status_code == expected


@pytest.mark.parametrize("stranger", [{"auth": None}, {"headers": {"Origin": FOREIGN}}], ids=["user", "page"])
def test_no_stranger_starts_or_changes_what_runs(services: Services, stranger: dict[str, Any]) -> None:
    """A run with a file of the attacker's, and a deployment with a command of his, are refused before they are read."""
    deployment = f"/deployments/{uuid4()}"
    run, command = {"parameters": {"config": "evil.yaml"}}, {"pull_steps": [{"shell": "id"}]}
    with signed_in(services.prefect_api_url, services.environment["PREFECT_API_AUTH_STRING"]) as client:
        assert client.post(f"{deployment}/create_flow_run", json=run).status_code == 404
        refused = [
            client.post(f"{deployment}/create_flow_run", json=run, **stranger).status_code,
            client.patch(deployment, json=command, **stranger).status_code,
        ]
    assert refused == [401 if "auth" in stranger else 403] * 2


def test_prometheus_reads_its_figures_with_the_password(services: Services) -> None:
    """`deployments/prometheus/prometheus.yml` signs in; without a password there are no figures."""
    url, sign_in = f"{services.prefect_api_url}/metrics", services.environment["PREFECT_API_AUTH_STRING"]
    assert httpx.get(url).status_code == 401
    answer = httpx.get(url, auth=tuple(sign_in.split(":", 1)))
    assert answer.status_code == 200 and "process_resident_memory_bytes" in answer.text
    asked = yaml.safe_load(PROMETHEUS.read_text())["scrape_configs"]
    assert [each["basic_auth"]["username"] for each in asked if each["job_name"] == "prefect"] == [USER]


def test_a_foreign_page_may_not_even_ask_whether_it_may(services: Services) -> None:
    """What a browser asks before a page's request to another origin is refused, for the own origin it is not."""
    for origin, expected in ((FOREIGN, 403), (services.settings.local_prefect, 200)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        asked = httpx.options(f"{os.environ['PREFECT_API_URL']}/flow_runs/", headers=headers)
        assert asked.status_code == expected
        assert asked.headers.get("access-control-allow-origin") == (None if expected == 403 else origin)


def test_the_password_is_in_no_log_and_on_no_command_line(services: Services) -> None:
    """The password stands in its file, of mode 0600, and in environments, which other users cannot read."""
    import psutil

    password = services.settings.password_file.read_text().strip()
    assert services.settings.password_file.stat().st_mode & 0o777 == 0o600
    for log in (services.settings.home / "logs").iterdir():
        assert password not in log.read_text(errors="replace")
    running = [record for part in services.parts.values() if (record := part.started())]
    assert running
    for process in running:
        assert password not in " ".join(psutil.Process(process.pid).cmdline())
    assert password not in str(services.addresses())
