"""In a real browser: its owner signs in and uses Prefect and MLflow, and a page of an attacker gets nowhere."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from browser import CHROMIUM, Browser, browser
from prefect_http import signed_in

from regrow.base.reach import why_silent
from regrow.services import Services
from regrow.services.commands import command_of

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium"),
    pytest.mark.long,
    pytest.mark.timeout(900),
]
ATTACK = """
<title>working</title><script>
const prefect = "%s", mlflow = "%s", api = mlflow + "/ajax-api/2.0/mlflow/experiments", seen = [];
async function attack(name, url, options) {
    try {
        const answer = await fetch(url, options);
        seen.push(answer.type === "opaque" ? name + ": sent blindly" : name + ": read " + answer.status);
    } catch (error) { seen.push(name + ": refused"); }
}
const flow = JSON.stringify({name: "attacked"});
const blind = {method: "POST", mode: "no-cors", credentials: "include", body: flow};
const json = {method: "POST", headers: {"Content-Type": "application/json"}, body: flow, credentials: "include"};
(async () => {
    await attack("prefect blind", prefect + "/api/flows/", blind);
    await attack("prefect json", prefect + "/api/flows/", json);
    await attack("prefect read", prefect + "/api/admin/settings", {credentials: "include"});
    await attack("mlflow blind", api + "/create", blind);
    await attack("mlflow json", api + "/create", json);
    await attack("mlflow read", api + "/search?max_results=9", {credentials: "include"});
    document.title = seen.join("; ");
})();
</script>
"""


@pytest.fixture(scope="module")
def mlflow_url(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run MLflow's server, as `regrow up` does, on the session's database."""
    settings = services.settings
    command = command_of("mlflow", settings, services.database)
    environment = os.environ | services.environment | command.environment
    log = tmp_path_factory.mktemp("mlflow") / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command.words, env=environment, stdout=stream, stderr=stream)
    try:
        while why_silent(f"{settings.local_mlflow}/health"):
            assert process.poll() is None, log.read_text()
        yield settings.local_mlflow
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Browser]:
    """Open a browser with a profile of its own."""
    with browser(tmp_path) as opened:
        yield opened


@pytest.fixture
def sign_in(page: Browser, services: Services, mlflow_url: str) -> Callable[[], None]:
    """Sign in to both servers, as a person does who has read what `regrow up` says."""
    password = services.settings.password_file.read_text().strip()

    def enter() -> None:
        page.sign_in_with("regrow", password)
        page.go(mlflow_url)
        page.wait("document.body.innerText.includes('Experiments')")
        page.go(services.settings.local_prefect)
        page.wait("document.querySelector('input[type=password]')")
        page.type_into("input[type=password]", f"regrow:{password}")
        page.wait("document.body.innerText.includes('Deployments')")

    return enter


def test_who_has_the_password_uses_both(
    page: Browser, sign_in: Callable[[], None], services: Services, mlflow_url: str, tmp_path: Path
) -> None:
    """After one sign-in each, MLflow's page lists an experiment by its name, and Prefect's dashboard shows a flow run.

    What was seen is kept as pictures.
    """
    auth = services.environment["PREFECT_API_AUTH_STRING"]
    user, _, password = auth.partition(":")
    url, name = f"{mlflow_url}/api/2.0/mlflow/experiments/create", f"seen-{uuid4().hex[:8]}"
    httpx.post(url, json={"name": name}, auth=(user, password), timeout=60).raise_for_status()
    with signed_in(services.prefect_api_url, auth) as client:
        flow = client.post("/flows/", json={"name": name}).raise_for_status().json()["id"]
        failed = {"flow_id": flow, "name": name, "state": {"type": "FAILED"}}
        client.post("/flow_runs/", json=failed).raise_for_status()
    sign_in()
    page.go(f"{services.settings.local_prefect}/dashboard")
    page.wait(f"document.body.innerText.includes({name!r})")
    assert "Flow Runs" in page.evaluate("document.body.innerText")
    page.picture(tmp_path / "prefect.png")
    page.go(f"{mlflow_url}/#/experiments")
    page.wait(f"document.body.innerText.includes({name!r})")
    page.picture(tmp_path / "mlflow.png")


def test_a_page_of_an_attacker_changes_and_reads_nothing(
    page: Browser, sign_in: Callable[[], None], services: Services, mlflow_url: str
) -> None:
    """What a page sends in the browser of a user who has signed in is refused, blind or not, and it reads nothing."""
    sign_in()
    content = (ATTACK % (services.settings.local_prefect, mlflow_url)).encode()

    class Attacker(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing."""

    with HTTPServer(("127.0.0.1", 0), Attacker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in ("localhost", "127.0.0.1"):
            page.go(f"http://{name}:{server.server_port}/")
            told = page.wait("document.title.includes('mlflow read') && document.title")
            assert "read 2" not in told
            assert told.count("refused") == 4, told
        server.shutdown()
    auth = services.environment["PREFECT_API_AUTH_STRING"]
    with signed_in(services.prefect_api_url, auth) as client:
        assert client.get("/flows/name/attacked").status_code == 404
    asked = f"{mlflow_url}/api/2.0/mlflow/experiments/get-by-name"
    user, _, password = auth.partition(":")
    found = httpx.get(asked, params={"experiment_name": "attacked"}, auth=(user, password), timeout=30)
    assert found.status_code == 404
