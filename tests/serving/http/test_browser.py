"""In a real browser: a page of an attacker sends the model server nothing that counts, and reads nothing of it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from browser import CHROMIUM, browser

from regrow.serving.http.app import create_app
from regrow.serving.http.connections import BoundedConnection
from regrow.serving.predict.versions import TrafficSplit

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium"),
    pytest.mark.long,
    pytest.mark.timeout(900),
]
LABELS = '{"labels": [{"entity_id": "e", "label": 1}]}'
ATTACK = (
    """
<title>working</title><script>
const server = "%s", labels = JSON.stringify("""
    + LABELS
    + """), seen = [];
async function attack(name, path, options) {
    try {
        const answer = await fetch(server + path, options);
        seen.push(answer.type === "opaque" ? name + ": sent blindly" : name + ": read " + answer.status);
    } catch (error) { seen.push(name + ": refused"); }
}
const post = (type, more) => ({method: "POST", body: new Blob([labels], {type}), ...more});
(async () => {
    for (const type of ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
        await attack("blind " + type, "/models/demo/labels", post(type, {mode: "no-cors"}));
    await attack("json", "/models/demo/labels", post("application/json"));
    await attack("csv", "/models/demo/invocations", post("text/csv"));
    await attack("version", "/version");
    document.title = seen.join("; ");
})();
</script>
"""
)


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


@pytest.fixture
def url(
    make_server: Callable[..., Any], served: Callable[..., Any], follows: Callable[..., Any]
) -> Iterator[str]:
    """Run a server with a model that takes labels, and without keys, as on a laptop."""
    app = create_app(make_server(demo=follows(TrafficSplit(served(3)))), "127.0.0.1")
    config = uvicorn.Config(app, port=0, http=BoundedConnection, ws="none", lifespan="off", log_level="error")
    server, started = uvicorn.Server(config), threading.Event()

    async def run() -> None:
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        started.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert started.wait(60)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def attacker(url: str) -> Iterator[str]:
    """Show a page that attacks the server; return its port."""

    class Attacker(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write((ATTACK % url).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing."""

    with HTTPServer(("127.0.0.1", 0), Attacker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield str(server.server_port)
        server.shutdown()


def test_a_page_of_an_attacker_labels_and_reads_nothing(url: str, attacker: str, tmp_path: Path) -> None:
    """By its own name, by one that leads to the server, blindly or not: no label is kept; the server's own page may."""
    send = f"""fetch("/models/demo/labels", {{
        method: "POST", headers: {{"Content-Type": "application/json"}}, body: JSON.stringify({LABELS})
    }}).then(answer => answer.status)"""
    port = url.rpartition(":")[2]
    with browser(tmp_path, "--host-resolver-rules=MAP evil.example 127.0.0.1") as page:
        for name in ("localhost", "127.0.0.1", "evil.example"):
            page.go(f"http://{name}:{attacker}/")
            told = page.wait("document.title.includes('version') && document.title")
            assert told.count("sent blindly") == 4, told
            assert told.count("refused") == 3, told
        page.go(f"http://evil.example:{port}/version")
        page.wait("document.body.innerText.includes('unknown_host')")
        assert page.evaluate(send) == 421
        assert not (tmp_path / "demo").exists(), "a label was kept"
        page.go(f"http://localhost:{port}/ping")
        page.wait("document.body.innerText.includes('{}')")
        assert page.evaluate(send) == 202
        assert list((tmp_path / "demo").iterdir())
