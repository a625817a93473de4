"""A rollout on a real server: who answers, what is logged, and what a client is spared."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from regrow import registry as registry_of
from regrow.data.delta import open_table
from regrow.data.predictions import predictions_path
from regrow.decisions.rollout.assignment import is_challengers, position
from regrow.project import Canary
from regrow.registry.state import State

WEIGHTS = (0.05, 0.25, 0.5, 0.75)
PLAN = Canary(kind="canary", weights=WEIGHTS, mirror=1e-9)
MODELS = ("split", "bad", "unsafe", "moves")


def row(entity=None, **change):
    given = {"carrier": "AA", "distance": 900.0, "hour": 17, **change}
    return given if entity is None else {**given, "row": entity}


def ask(server, name, rows, **headers):
    url = f"{server.url}/models/{name}/invocations"
    return httpx.post(url, json={"dataframe_records": rows}, headers=headers, timeout=30)


def brittle(frame):
    """Fit a challenger that raises on a carrier it has never seen, and gives NaN at distance 0."""
    encode = ColumnTransformer(
        [("carrier", OneHotEncoder(handle_unknown="error", sparse_output=False), ["carrier"])],
        remainder="passthrough",
    )
    pipeline = make_pipeline(encode, LogisticRegression(max_iter=5000)).fit(
        frame, (frame["hour"] > 12).astype(int)
    )
    pipeline[-1].coef_[0, 3] = np.inf
    return pipeline


def roll_out(registry, name, champion, challenger, stage, move, mirror=1e-9, weights=WEIGHTS, rollout="v-a"):
    """Show the server a rollout, as the moves of the registry do."""
    plan = {"kind": "canary", "weights": weights, "mirror": mirror}
    at = "2013-05-01T00:00:00Z"
    opened = {"id": rollout, "plan": plan, "stage": stage, "since": at, "began": at}
    show(registry, name, {"champion": champion, "challenger": challenger, "rollout": opened, "move": move})


def show(registry, name, state):
    written = State.model_validate({"challenger": None, "rollout": None, **state})
    registry.client.set_registered_model_tag(name, "regrow.state", written.model_dump_json())
    registry.promote(written.champion, name)


def answering(server, name):
    """Return how the traffic of *name* is split, once every worker says the same."""
    workers = httpx.get(f"{server.url}/version", timeout=30).json()["workers"]
    shown = [worker["models"].get(name) for worker in workers]
    return shown[0] if shown == shown[:1] * server.workers else None


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def routed(server, name, move, challenger):
    return until(
        lambda: (
            (shown := answering(server, name))
            and shown["move"] == move
            and (shown["challenger"] == challenger)
            and shown
        )
    )


def logged(model, count):
    """Wait for *count* rows of *model* in its Delta log and read them by prediction id."""

    def read():
        table = open_table(predictions_path(model))
        rows = table.to_pyarrow_dataset().to_table().to_pylist() if table else []
        return rows if len(rows) >= count else None

    rows = until(read)
    assert len(rows) == count
    return {each["prediction_id"]: each for each in rows}


@pytest.fixture(scope="module")
def rolling(registry, start, tmp_path_factory, size):
    """Run a server of models with challengers: a sound one, a brittle one, one that must not be loaded."""
    sources = [registry.client.get_model_version("demo", str(number)) for number in (1, 2)]
    for name in MODELS:
        registry.client.create_registered_model(name)
        for source in sources:
            registry.client.create_model_version(name, source.source, source.run_id)
        registry.promote(1, name)
    registry.register(brittle(registry.frame), "bad")
    registry.register(make_pipeline(FunctionTransformer(json.dumps)), "unsafe", trusted=["json.dumps"])
    chosen = [word for name in MODELS for word in ("--model", name)]
    home = tmp_path_factory.mktemp("rolling")
    patient = {"REGROW_CHALLENGER_TIMEOUT": "60"}  # A busy machine is no reason to fall back here.
    workers = size(1, 2)
    server = start(home, *chosen, "--workers", str(workers), **patient)
    server.workers = workers
    for name in MODELS:
        until(lambda name=name: answering(server, name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGROW_HOME", str(home))
        yield server


def test_a_client_is_told_who_answered_and_the_log_knows_the_rest(registry, rolling):
    """One request's rows are split by entity; the answer says by whom, the table in which rollout."""
    roll_out(registry, "split", 1, 2, stage=2, move=3, mirror=1.0)
    assert routed(rolling, "split", 3, 2)["weight"] == 0.5
    names = [f"e{i}" for i in range(40)]
    response = ask(rolling, "split", [row(name) for name in names])
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["version"] is None
    assert response.headers["x-regrow-version"] == "1,2"
    expected = [2 if is_challengers("v-a", name, 0.5) else 1 for name in names]
    assert body["versions"] == expected
    alone = ask(rolling, "split", [row(names[expected.index(2)])])
    assert (alone.json()["version"], alone.headers["x-regrow-version"]) == (2, "2")
    assert "versions" not in alone.json()
    found = logged("split", 82)
    for identifier, name, version in zip(body["prediction_ids"], names, expected, strict=True):
        served = found[identifier]
        assert (served["entity_id"], served["version"]) == (name, version)
        assert served["role"] == ("challenger" if version == 2 else "champion")
        assert (served["rollout"], served["stage"], served["fallback"]) == ("v-a", 2, None)
        assert 0 < served["seconds"] < 30
        (shadow,) = [each for each in found.values() if each["shadow_of"] == identifier]
        assert (shadow["role"], shadow["version"], shadow["features"]) == ("shadow", 3 - version, None)
        assert len(shadow["prediction"]) == 2
        assert shadow["prediction_id"] not in response.text


def test_what_a_challenger_fails_on_no_client_sees(registry, rolling):
    """A challenger that raises or gives NaN: answers by the champion, counted, logged with the reason."""
    roll_out(registry, "bad", 1, 3, stage=0, move=1, weights=(0.999999,))
    routed(rolling, "bad", 1, 3)
    rows = {
        "fine": row("a", distance=10.0),
        "raised": row("b", carrier="ZZ"),
        "not finite": row("c", distance=0.0),
    }
    answers = {reason: ask(rolling, "bad", [given]) for reason, given in rows.items()}
    assert [each.status_code for each in answers.values()] == [200] * 3
    assert [each.json()["version"] for each in answers.values()] == [3, 1, 1]
    assert all(np.isfinite(each.json()["predictions"]).all() for each in answers.values())
    found = logged("bad", 3)
    for reason, each in answers.items():
        served = found[each.json()["prediction_ids"][0]]
        assert served["fallback"] == (None if reason == "fine" else reason)
        assert served["role"] == ("challenger" if reason == "fine" else "champion")
        assert served["rollout"] == "v-a"
    metrics = httpx.get(f"{rolling.url}/metrics").text
    assert 'regrow_fallbacks_total{model="bad",reason="raised",version="3"} 1.0' in metrics
    assert 'regrow_fallbacks_total{model="bad",reason="not finite",version="3"} 1.0' in metrics
    assert 'regrow_requests_total{model="bad",role="challenger",status="200",version="3"} 1.0' in metrics


def test_a_challenger_that_cannot_be_loaded_is_seen_and_harms_nobody(registry, rolling):
    """It is a problem in /health, the champion answers what was the challenger's, and the log says so."""
    roll_out(registry, "unsafe", 1, 3, stage=1, move=1, weights=(0.5, 0.999999))
    until(lambda: (answering(rolling, "unsafe") or {}).get("move") == 1)
    model = httpx.get(f"{rolling.url}/health").json()["models"]["unsafe"]
    assert "challenger 3 cannot be loaded" in model["problem"]
    assert model["rollout"]["contender"] == 3
    response = ask(rolling, "unsafe", [row("a")])
    assert response.json()["version"] == 1
    served = logged("unsafe", 1)[response.json()["prediction_ids"][0]]
    assert (served["role"], served["fallback"], served["version"]) == ("champion", "raised", 1)
    assert (
        'regrow_model_load_failures_total{model="unsafe",version="3"}'
        in httpx.get(f"{rolling.url}/metrics").text
    )


def test_a_version_may_be_asked_for(registry, rolling):
    """A loaded version answers by its number, an unknown one is a 404; a probe leaves no trace."""
    roll_out(registry, "split", 1, 2, stage=0, move=4)
    routed(rolling, "split", 4, 2)
    before = len(logged("split", 82))
    assert ask(rolling, "split", [row("x")], **{"X-Regrow-Version": "2"}).json()["version"] == 2
    assert ask(rolling, "split", [row("x")], **{"X-Regrow-Version": "9"}).status_code == 404
    assert ask(rolling, "split", [row("x")], **{"X-Regrow-Version": "two"}).status_code == 400
    probe = ask(rolling, "split", [row("x")], **{"X-Regrow-Version": "2", "X-Regrow-Probe": "1"})
    assert probe.json()["version"] == 2
    assert ask(rolling, "split", [row("x")], **{"X-Regrow-Probe": "1"}).json()["version"] == 1
    found = logged("split", before + 1)
    assert probe.json()["prediction_ids"][0] not in found
    assert sum(each["rollout"] is None for each in found.values()) == 1


def test_a_state_about_another_champion_is_not_followed(registry, rolling):
    """A state that the alias does not bear out for long is ignored; one that cannot be read is shown as a problem."""
    roll_out(registry, "split", 1, 2, stage=0, move=5)
    routed(rolling, "split", 5, 2)
    registry.promote(2, "split")
    until(
        lambda: (
            answering(rolling, "split") == {"champion": 2, "challenger": None, "weight": 0.0, "move": None}
        )
    )
    registry.client.set_registered_model_tag("split", "regrow.state", '{"champion": "new"}')
    until(
        lambda: (
            "regrow.state" in (httpx.get(f"{rolling.url}/health").json()["models"]["split"]["problem"] or "")
        )
    )
    assert ask(rolling, "split", [row("x")]).json()["version"] == 2


class Entities:
    """Clients that ask for entities of their own again and again, and keep who answered and between which moves."""

    def __init__(self, url, clients, pause):
        self.answers, self.failures = [], []
        self.settled = (0, 0)
        """The last move that was asked for, and the last that the server confirmed."""
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(url, i, pause)) for i in range(clients)]

    def _ask(self, url, client, pause):
        with httpx.Client(timeout=60) as http:
            for turn in range(10**9):
                if self._stop.is_set():
                    return
                entity, first = f"{client}-{turn % 25}", self.settled[1]
                try:
                    response = http.post(
                        f"{url}/models/moves/invocations", json={"dataframe_records": [row(entity)]}
                    )
                except httpx.TransportError as error:
                    self.failures.append(repr(error))
                    return
                if response.status_code != 200:
                    self.failures.append(response.text)
                    continue
                body = response.json()
                identifier = body["prediction_ids"][0]
                self.answers.append((entity, identifier, body["version"], first, self.settled[0]))
                time.sleep(pause)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def move_on(turn):
    """Make move number *turn*: a rollout opens, grows, is finished or rolled back, or the champion changes at once."""
    seen, why = registry_of.state("moves"), ("a test", f"move {turn}")
    at = datetime(2013, 5, 1, tzinfo=UTC) + timedelta(minutes=turn)
    if seen.rollout is None:
        other = 3 - (seen.champion or 1)
        if turn % 5 == 0:
            registry_of.promote("moves", other, *why, as_of=at)
        else:
            registry_of.start_rollout("moves", other, PLAN, *why, as_of=at)
    elif not seen.rollout.is_last and turn % 7:
        registry_of.advance("moves", seen, *why, as_of=at)
    elif turn % 2:
        registry_of.finish("moves", seen, *why, promoted=True)
    else:
        registry_of.end_rollout("moves", seen, *why)
    return registry_of.state("moves")


def version_of(state, entity):
    rollout = state.rollout
    if rollout is not None and position(rollout.id, entity) < rollout.current.weight:
        return state.challenger
    return state.champion


def confirmed(server, state):
    """Return whether every worker shows *state*."""
    shown = answering(server, "moves")
    return shown is not None and (shown["champion"], shown["move"]) == (state.champion, state.move)


def test_under_changes_each_entity_meets_the_version_that_its_hash_says(rolling, size):
    """While weights change and champions swap under load, nothing fails; each answer is that of a state of the time."""
    states = [registry_of.state("moves")]
    changes = size(5, 1000)
    # The pause leaves the many changes, which this process makes too, some of its time.
    with Entities(rolling.url, size(8, 32), size(0, 0.25)) as load:
        for turn in range(1, changes + 1):
            load.settled = turn, load.settled[1]
            states.append(move_on(turn))
            until(lambda: confirmed(rolling, states[-1]), 60)
            load.settled = turn, turn
            time.sleep(0.2)
    assert load.failures == []
    decided = 0
    for entity, _, version, first, last in load.answers:
        possible = {version_of(state, entity) for state in states[first : last + 1]}
        assert version in possible, (entity, states[first : last + 1])
        decided += len(possible) == 1
    assert decided > 5 * changes
    found = logged("moves", len(load.answers))
    for entity, identifier, version, _, _ in load.answers:
        served = found[identifier]
        assert (served["version"], served["entity_id"], served["fallback"]) == (version, entity, None)
        if served["rollout"] is not None:
            weight = WEIGHTS[served["stage"]]
            assert (served["role"] == "challenger") == (position(served["rollout"], entity) < weight)
