"""The traffic of the replayed year: each row is posted once, as the model server takes it."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pandas as pd
import pytest

from regrow.base.errors import Unreachable
from regrow.demo import traffic
from regrow.serving.predict.shadow import QUEUE_ROWS

APRIL, MAY = datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 5, 1, tzinfo=UTC)
PROJECT: Any = SimpleNamespace(
    name="flights",
    data=SimpleNamespace(id="flight_id", timestamp="at", target="late", key_columns=("flight_id", "at")),
)
MODEL: Any = SimpleNamespace(features=["wind"])


def flights(count: int) -> pd.DataFrame:
    times = pd.date_range("2013-03-31", periods=count, freq="12h", tz="UTC")
    late = [None if row % 5 == 0 else row % 2 for row in range(count)]
    return pd.DataFrame(
        {"flight_id": range(count), "at": times, "wind": [None, *range(1, count)], "late": late}
    )


class Receiver:
    """A model server that keeps what it is sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: int = 200) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.status = status
        client = httpx.Client
        transport = httpx.MockTransport(self.answer)
        monkeypatch.setattr(traffic.httpx, "Client", lambda **given: client(**given, transport=transport))

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/models/flights/invocations"
        self.bodies.append(json.loads(request.content)["dataframe_split"])
        return httpx.Response(self.status, text="no room")


def test_rows_are_posted_once_with_their_names_and_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large requests hold each row once: features, id and time; a missing number is null."""
    receiver = Receiver(monkeypatch)
    monkeypatch.setattr(traffic, "ROWS_PER_REQUEST", 3)
    traffic.send("http://demo", PROJECT, MODEL, flights(7))
    assert {tuple(body["columns"]) for body in receiver.bodies} == {("wind", "flight_id", "at")}
    rows = sorted((row for body in receiver.bodies for row in body["data"]), key=lambda row: row[1])
    assert [row[1] for row in rows] == list(range(7))
    assert rows[0] == [None, 0, "2013-03-31T00:00:00Z"]
    assert len(receiver.bodies) == 3


def test_what_is_shadowed_waits_for_the_part_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more rows are sent at once than may wait for their shadow; the next ones once those are scored, or dropped."""
    assert traffic.SHADOWED_ROWS + traffic.ROWS_PER_REQUEST <= QUEUE_ROWS
    receiver, asked = Receiver(monkeypatch), list[int]()

    def metrics(_url: str, **_given: object) -> httpx.Response:
        sent = sum(len(body["data"]) for body in receiver.bodies)
        asked.append(sent)
        scored = sent - 1 if asked.count(sent) == 1 else sent  # The last row takes a moment.
        text = (
            f'regrow_rows_total{{model="flights",role="shadow",version="2"}} {max(scored - 1, 0)}\n'
            f'regrow_rows_total{{model="flights",role="champion",version="1"}} {sent}\n'
            f'regrow_rows_total{{model="another",role="shadow",version="1"}} 99\n'
            f'regrow_shadow_dropped_total{{model="flights",version="2"}} {max(min(scored, 1), 0)}\n'
        )
        return httpx.Response(200, text=text, request=httpx.Request("GET", "http://demo/metrics"))

    monkeypatch.setattr(traffic.httpx, "get", metrics)
    monkeypatch.setattr(traffic, "SHADOWED_ROWS", 3)
    traffic.send_shadowed("http://demo", PROJECT, MODEL, flights(7))
    assert [len(body["data"]) for body in receiver.bodies] == [3, 3, 1]
    assert asked == [0, 3, 3, 3, 6, 6, 6, 7, 7]


def test_a_refusal_ends_it_with_the_servers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error holds the status and what the server said."""
    Receiver(monkeypatch, status=503)
    with pytest.raises(Unreachable, match="the model server answered 503: no room"):
        traffic.send("http://demo", PROJECT, MODEL, flights(2))


def test_a_month_is_its_own_rows() -> None:
    """The month's first moment belongs to it, that of the next does not."""
    month = traffic.rows_between(PROJECT, flights(80), APRIL, MAY)
    assert (month["at"].min(), len(month)) == (pd.Timestamp(APRIL), 60)
    assert month["at"].max() < pd.Timestamp(MAY)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log rows 2 and 3 of April, row 3 twice."""
    rows = pd.DataFrame({"entity_id": ["2", "3", "3"], "prediction": [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]})
    monkeypatch.setattr(traffic, "read_answers", lambda *_: rows)


@pytest.mark.usefixtures("logged")
def test_what_is_logged_is_not_sent_again() -> None:
    """A demonstration that goes on posts the rest of its month."""
    new = traffic.not_yet_sent(PROJECT, flights(6), APRIL, MAY)
    assert list(new["flight_id"]) == [0, 1, 4, 5]


@pytest.mark.usefixtures("logged")
def test_a_row_is_judged_by_its_last_answer_if_its_target_is_known() -> None:
    """A row that was answered twice counts once, by what it was told last."""
    scores = traffic.served_scores(PROJECT, flights(6), APRIL, MAY)
    assert dict(zip(scores["flight_id"], scores["served"], strict=True)) == {2: 0.1, 3: 0.8}


def test_a_log_that_stays_behind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the patience the error counts the rows that came."""
    monkeypatch.setattr(traffic, "FOLD_TIMEOUT", 0.0)
    monkeypatch.setattr(traffic, "count_predictions", lambda *_: 5)
    with pytest.raises(Unreachable, match="holds 5 of 6 rows of April"):
        traffic.wait_until_logged(PROJECT, APRIL, MAY, 6)
    traffic.wait_until_logged(PROJECT, APRIL, MAY, 5)


def test_shadows_that_the_server_dropped_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends once no more come, though some are missing."""
    counts = iter([1, 3])
    monkeypatch.setattr(traffic, "SHADOW_PATIENCE", 0.5)
    traffic.wait_for_shadows(lambda: next(counts, 3), 9)
    assert next(counts, None) is None
