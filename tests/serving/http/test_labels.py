"""Labels over HTTP: what is taken, what is refused, and that none is lost or doubled."""

import signal
import threading
import time
import tracemalloc
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_facts import make_facts

from regrow.base.errors import InvalidRequest
from regrow.data.labels import label_history, read_labels
from regrow.serving.http.labels import check_labels
from regrow.serving.http.labels import read_labels as check
from regrow.serving.http.responses import status_of
from regrow.serving.log.flush import Flusher
from regrow.serving.log.journal import Journal
from regrow.serving.log.tables import TO_LABELS

MOMENT = "2013-04-01T05:00:00+02:00"
RECEIVED = 1_700_000_000_000_000


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry but in the tests that start a server."""


def checked(*labels: Any, most: Any = 100):
    return check(orjson.dumps({"labels": labels}), most, RECEIVED)


def tell(server: Any, *labels: Any, name: Any = "demo", **options: Any):
    return httpx.post(f"{server.url}/models/{name}/labels", json={"labels": labels}, timeout=30, **options)


def test_a_label_names_one_row_and_says_one_thing():
    """Numbers, text and booleans are taken; a moment without a zone is UTC, and none means now."""
    rows = checked(
        {"prediction_id": "p", "label": 1.5, "labelled_at": MOMENT},
        {"entity_id": 7, "label": "late", "labelled_at": "2013-04-01"},
        {"entity_id": "7", "prediction_id": None, "label": False},
        {"row_key": 7, "label": 1},
        {"entity_id": "7", "event_time": "2013-03-01", "label": 1},
    )
    assert [row["label"] for row in rows] == [1.5, "late", False, 1, 1]
    assert [row["entity_id"] for row in rows] == [None, "7", "7", None, "7"]
    assert rows[3]["row_key"] == "7"
    assert pd.Timestamp(rows[4]["event_time"], unit="us") == pd.Timestamp("2013-03-01")
    stamps = [pd.Timestamp(row["labelled_at"], unit="us") for row in rows]
    assert stamps[:2] == [pd.Timestamp("2013-04-01T03:00"), pd.Timestamp("2013-04-01")]
    assert rows[2]["labelled_at"] == RECEIVED


@pytest.mark.parametrize(
    ("label", "code", "said"),
    [
        ({"prediction_id": "p"}, "null_value", "label must be"),
        ({"prediction_id": "p", "label": None}, "null_value", "label must be"),
        ({"prediction_id": "p", "label": [1]}, "wrong_type", "label must be"),
        ({"prediction_id": "p", "label": ""}, "wrong_type", "label must be"),
        ({"label": 1}, "which_row", "by one of"),
        ({"prediction_id": "p", "entity_id": "e", "label": 1}, "which_row", "by one of"),
        ({"row_key": "k", "entity_id": "e", "label": 1}, "which_row", "by one of"),
        ({"row_key": "k", "event_time": MOMENT, "label": 1}, "which_row", "by one of"),
        ({"entity_id": "e", "event_time": "then", "label": 1}, "wrong_type", "event_time must be"),
        (
            {"entity_id": "e", "event_time": "2014-01-01", "labelled_at": MOMENT, "label": 1},
            "too_early",
            "no truth is known before its event",
        ),
        ({"prediction_id": 5, "label": 1}, "wrong_type", "prediction_id must be"),
        ({"entity_id": True, "label": 1}, "wrong_type", "entity_id must be"),
        ({"entity_id": 1.5, "label": 1}, "wrong_type", "entity_id must be"),
        ({"entity_id": "x" * 1001, "label": 1}, "wrong_type", "entity_id must be"),
        ({"entity_id": "e", "label": 1, "labelled_at": "yesterday"}, "wrong_type", "labelled_at must be"),
        ({"entity_id": "e", "label": 1, "labelled_at": 5}, "wrong_type", "labelled_at must be"),
        ({"entity_id": "e", "label": 1, "labelled_at": "0001-01-01"}, "wrong_type", "labelled_at must be"),
        ({"entity_id": "e", "label": 1, "labeled_at": MOMENT}, "unknown_key", "'labeled_at' is unknown"),
        ("p", "wrong_type", "must be an object"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_place(label: Any, code: Any, said: Any):
    """A label that does not fit refuses the request, naming its place among them and what is wrong."""
    with pytest.raises(InvalidRequest) as error:
        checked({"entity_id": "e", "label": 1}, label)
    assert (status_of(error.value), error.value.code) == (422, code)
    assert "labels[1]" in str(error.value)
    assert said in str(error.value)


def test_more_than_the_limit_or_another_form_is_refused():
    """Too many labels are a 413, what is no list of labels a 400."""
    label = {"entity_id": "e", "label": 1}
    for status, body in (
        (413, orjson.dumps({"labels": [label] * 3})),
        (400, orjson.dumps([label])),
        (400, orjson.dumps({"labels": [label], "model": "m"})),
        (400, orjson.dumps({"labels": label})),
        (400, b'{"labels": [{"entity_id": "e", "label": NaN}]}'),
    ):
        with pytest.raises(InvalidRequest) as error:
            check(body, 2, 0)
        assert status_of(error.value) == status


@pytest.mark.parametrize(
    "body",
    [
        b'{"labels":[{' + b",".join(b'"%d":1' % number for number in range(10_000)) + b"}]}",
        b'{"labels":[' + b",".join([b'{"label":[]}'] * 9_000) + b"]}",
        b'{"labels":[' + b",".join([b"{}"] * 9_000) + b"]}",
        b'{"labels":[],' + b",".join(b'"%d":1' % number for number in range(10_000)) + b"}",
        b'{"labels":[{"label":' + b"[" * 900 + b"]" * 900 + b"}]}",
        b'{"labels":[{"label":1,"row_key":"' + b"k" * 100_000 + b'"}]}',
    ],
)
def test_wrong_labels_cost_what_their_bytes_cost(body: Any):
    """The first thing that is wrong ends the reading: 100 kB of it take no 10 MB, and come back as a short message."""
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest) as error:
            check(body, 10_000, RECEIVED)
        assert tracemalloc.get_traced_memory()[1] < 100 * len(body) + 200_000
    finally:
        tracemalloc.stop()
    assert len(str(error.value)) < 400


TEXT = st.text("0159-:TZ+ aé\x00漢", max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers(-(2**63), 2**63) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
FIELD = st.sampled_from(
    ["prediction_id", "row_key", "entity_id", "event_time", "label", "labelled_at", "other"]
)
VALUE = JSON | st.datetimes().map(str)


@given(st.lists(st.dictionaries(FIELD, VALUE, max_size=4), max_size=4))
def test_any_label_is_taken_or_refused(labels: Any):
    """Whatever stands in a label, it is refused, or becomes a row that the table can hold."""
    try:
        rows = checked(*labels)
    except InvalidRequest:
        return
    for row in rows:
        assert sum(row[name] is not None for name in ("prediction_id", "row_key", "entity_id")) == 1
        assert pd.Timestamp("1900") <= pd.Timestamp(row["labelled_at"], unit="us") <= pd.Timestamp("2200")


@pytest.mark.parametrize(
    ("told", "facts", "code", "said"),
    [
        (
            "maybe",
            make_facts("no", "yes"),
            "unknown_class",
            r"labels\[1\]\.label: 'maybe' is no class of model 'demo'",
        ),
        ("maybe", make_facts("no", "yes"), "unknown_class", "which has 'no', 'yes'$"),
        (2, make_facts(0, 1), "unknown_class", "2 is no class .* which has 0, 1$"),
        (99, make_facts(*range(30)), "unknown_class", "and 10 more"),
        ("late", make_facts(), "no_number", "'late' is no number, and model 'demo' predicts one"),
    ],
)
def test_a_label_that_no_version_can_have_is_refused(told: Any, facts: Any, code: Any, said: Any):
    """What is no class of the model, or no number for a regression, is a 422 that names model, row and value."""
    good = 1 if facts.kind == "regression" else facts.classes[0]
    rows = checked({"entity_id": "e", "label": good}, {"entity_id": "f", "label": told})
    with pytest.raises(InvalidRequest, match=said) as error:
        check_labels("demo", rows, [facts], RECEIVED)
    assert (status_of(error.value), error.value.code, error.value.row) == (422, code, 1)
    check_labels("demo", rows[:1], [facts], RECEIVED)


def test_a_class_that_only_the_challenger_knows_is_taken():
    """During a rollout a label may be a class of either version."""
    rows = checked({"entity_id": "e", "label": "maybe"})
    check_labels("demo", rows, [make_facts("no", "yes"), make_facts("no", "yes", "maybe")], RECEIVED)
    check_labels("demo", [], [make_facts()], RECEIVED)


def test_a_truth_of_the_future_is_refused():
    """A label is known by now, but for some minutes that the client's clock may be ahead."""
    for minutes, taken in ((4, True), (6, False)):
        moment = pd.Timestamp(RECEIVED, unit="us", tz="UTC") + pd.Timedelta(minutes=minutes)
        rows = checked({"entity_id": "e", "label": 1, "labelled_at": moment.isoformat()})
        if taken:
            check_labels("demo", rows, [make_facts(0, 1)], RECEIVED)
        else:
            with pytest.raises(InvalidRequest, match=r"labels\[0\]\.labelled_at lies in the future"):
                check_labels("demo", rows, [make_facts(0, 1)], RECEIVED)


def test_the_same_label_twice_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A label sent again is flushed as one; a changed one keeps both, and the later one counts."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    flusher = Flusher(tmp_path / "journal")
    journal = Journal(tmp_path / "journal" / "demo", TO_LABELS.prefix)
    for label in (0, 0, True, "late"):
        row = checked({"entity_id": "e", "event_time": "2013-03-01", "label": label, "labelled_at": MOMENT})[
            0
        ]
        row["received_at"] += int(label == "late")
        journal.append({}, [orjson.dumps(row)] * 2)
        journal.rotate()
        flusher.attempt()
        assert flusher.error is None
    assert label_history("demo")["label"].tolist() == [0, 1, "late"]
    assert read_labels("demo")["label"].tolist() == ["late"]
    assert read_labels("demo")["event_time"].tolist() == [pd.Timestamp("2013-03-01", tz="UTC")]


def test_labels_have_their_route_and_their_role(server: Any):
    """Labels of a served model are acknowledged with their number; of an unknown one they are a 404."""
    response = tell(server, {"prediction_id": "p", "label": 1}, {"entity_id": 5, "label": 0})
    assert (response.status_code, response.json()) == (202, {"accepted": 2})
    assert tell(server).json() == {"accepted": 0}
    assert tell(server, {"entity_id": 5, "label": 1}, name="other").status_code == 404
    assert tell(server, {"entity_id": 5}).json()["column"] == "label"
    assert tell(server, {"row_key": 5, "label": "perhaps"}).json()["error"] == "unknown_class"
    url, json = f"{server.url}/models/demo/labels", {"Content-Type": "application/json"}
    assert httpx.post(url, content=b" " * 10_000_000, headers=json).status_code == 413
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "text/csv"}):
        assert httpx.post(url, content=b'{"labels": []}', headers=headers).status_code == 415


@pytest.mark.long
def test_no_acknowledged_label_is_lost_or_doubled(
    start: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: Callable[..., Any]
):
    """After each kill -9 under load every acknowledged label is in the table exactly once."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    acknowledged: list[str] = []
    for _ in range(size(1, 5)):
        server = start(tmp_path, "--model", "demo")
        stop = threading.Event()
        clients = [threading.Thread(target=_tell_on, args=(server, stop, acknowledged)) for _ in range(4)]
        for client in clients:
            client.start()
        time.sleep(1.8)
        server.stop(signal.SIGKILL)
        stop.set()
        for client in clients:
            client.join()
    assert start(tmp_path, "--model", "demo").stop() == 0
    kept = label_history("demo")["entity_id"]
    assert len(acknowledged) > 100
    assert kept.is_unique
    assert set(acknowledged) <= set(kept)
    assert not list((tmp_path / "journal").glob("*/*"))


def _tell_on(server: Any, stop: Any, acknowledged: Any):
    """Send labels until the server is gone."""
    with httpx.Client(timeout=30) as client:
        while not stop.is_set():
            names = [uuid.uuid4().hex for _ in range(3)]
            labels = [{"entity_id": name, "label": 1, "labelled_at": MOMENT} for name in names]
            try:
                response = client.post(f"{server.url}/models/demo/labels", json={"labels": labels})
            except httpx.TransportError:
                return
            assert response.status_code == 202, response.text
            acknowledged += names
