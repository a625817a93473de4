"""Whether the model server follows the registry, asked of a small server that says what it is told to."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema

from regrow.base.errors import Unreachable
from regrow.data.snapshots import write_snapshot
from regrow.models.results import ModelFacts
from regrow.registry import Move, State, Version
from regrow.registry.confirmation import prove_rollback, wait_until_followed

AT = datetime(2024, 3, 1, tzinfo=UTC)
SHOWN = {"champion": 3, "challenger": None, "weight": 0.0, "move": 17}


class Workers:
    """What each worker of the server shows of the model `flights`; the last answer is repeated."""

    def __init__(self) -> None:
        self.answers: list[list[dict[str, Any] | None]] = []
        self.asked = 0
        self.answering = "3"
        """The version that answers a request."""
        self.probes: list[tuple[str, str | None, Any]] = []
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

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.probes.append((self.path, self.headers.get("X-Regrow-Probe"), asked))
            body = json.dumps({"predictions": [0.25]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Regrow-Version", told.answering)
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


MOVE = Move(
    number=17, id="a", at=AT, as_of=AT, actor="ada", reason="worse", kind="roll back", version=4, before=4,
    state=State(champion=3, move=17),
)  # fmt: skip


@pytest.fixture
def champion(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let version 3 be a stored model that takes `size`, with a holdout of two rows."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    rows = write_snapshot(pd.DataFrame({"id": ["a", "b"], "size": [1.5, 2.5], "late": [0, 1]}))
    facts = ModelFacts(
        project="flights", kind="binary", classes=(0, 1), id="id", timestamp=None, training=rows, holdout=rows
    )
    signature = ModelSignature(Schema([ColSpec("double", "size")]))
    stored = Version(name="flights", number=3, model_id="m-3", run_id="r", tags={})
    monkeypatch.setattr("regrow.registry.confirmation.version", lambda *_: stored)
    monkeypatch.setattr("regrow.registry.versions.read_facts", lambda _: facts)
    monkeypatch.setattr("mlflow.models.get_model_info", lambda _: SimpleNamespace(signature=signature))


def test_a_rollback_is_proven_by_a_request(workers: Workers, champion: None) -> None:
    """Every worker follows, and the champion answers a row of its own holdout, which the server does not log."""
    workers.answers = [[SHOWN, SHOWN]]
    verdict = prove_rollback("flights", MOVE, workers.url)
    assert workers.probes == [("/models/flights/invocations", "1", {"dataframe_records": [{"size": 1.5}]})]
    assert verdict.reason == "flights: the champion is version 3, it was 4; version 3 answered [0.25]"
    assert [(finding.rule, finding.result) for finding in verdict.findings] == [
        ("every worker follows", "pass"),
        ("a probe is answered", "pass"),
    ]


def test_a_proxy_is_not_asked_for_this_machine(
    workers: Workers, champion: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollback on a machine whose way out is a proxy is proven all the same."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    workers.answers = [[SHOWN]]
    assert prove_rollback("flights", MOVE, workers.url, timeout=2).passed
    assert len(workers.probes) == 1


def test_a_rollback_that_another_version_answers_is_not_proven(workers: Workers, champion: None) -> None:
    """The error says that the move stands, and which version answered."""
    workers.answers = [[SHOWN]]
    workers.answering = "4"
    with pytest.raises(Unreachable, match=r"it was 4 in the registry \(move 17\), but .* version 4, not 3"):
        prove_rollback("flights", MOVE, workers.url)


def test_a_rollback_without_a_server_leaves_its_proof_undecided() -> None:
    """The move is made; that a server follows it was not asked, and is not called a pass."""
    verdict = prove_rollback("flights", MOVE, None)
    assert (verdict.result, verdict.findings[0].result) == ("pass", "undecided")
    assert verdict.reason.endswith("no server was asked")
