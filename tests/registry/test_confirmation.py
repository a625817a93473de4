"""Whether the model server follows the registry, asked of a small server that says what it is told to."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from regrow.errors import Unreachable
from regrow.registry import State
from regrow.registry.confirmation import wait_until_followed

SHOWN = {"champion": 3, "challenger": None, "weight": 0.0, "move": 17}


class Workers:
    """What each worker of the server shows of the model `flights`; the last answer is repeated."""

    def __init__(self) -> None:
        self.answers: list[list[dict[str, Any] | None]] = []
        self.asked = 0
        self.url = ""

    def answer(self) -> dict[str, Any]:
        workers = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        models = [{"flights": shown} if shown else {} for shown in workers]
        return {"workers": [{"pid": index, "models": each} for index, each in enumerate(models)]}


@pytest.fixture
def workers() -> Iterator[Workers]:
    told = Workers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(told.answer()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Write no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_waits_for_the_last_worker(workers: Workers) -> None:
    """As long as one worker is behind, in version or in move, it asks again."""
    behind = [{**SHOWN, "champion": 2, "move": 16}, {**SHOWN, "move": 16}, {**SHOWN, "move": None}, None]
    workers.answers = [*([SHOWN, each] for each in behind), [SHOWN, SHOWN]]
    wait_until_followed(workers.url, "flights", State(champion=3, move=17), timeout=30)
    assert workers.asked == 5


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (
            {**SHOWN, "champion": 2},
            "had version 2 after move 17 in worker 1, not version 3 of flights after move 17",
        ),
        ({**SHOWN, "move": 16}, "had version 3 after move 16 in worker 1"),
        (None, "had no model flights in worker 1"),
    ],
)
def test_a_worker_that_stays_behind_is_named(
    workers: Workers, shown: dict[str, Any] | None, said: str
) -> None:
    """After the timeout the error says which worker shows what."""
    workers.answers = [[SHOWN, shown]]
    with pytest.raises(Unreachable, match=said):
        wait_until_followed(workers.url, "flights", State(champion=3, move=17), timeout=0.3)


def test_a_server_that_is_gone_is_said() -> None:
    """Where nobody answers the error says so."""
    with pytest.raises(Unreachable, match="had no answer"):
        wait_until_followed("http://127.0.0.1:9", "flights", State(champion=3, move=17), timeout=0.3)
