"""Following the registry: what is loaded when, what goes on meanwhile, and what is said of it."""

import threading
import time
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from regrow.base.errors import RegistryError
from regrow.project import Canary
from regrow.registry.state import Rollout, State
from regrow.serving.following import follower as following
from regrow.serving.following import loading
from regrow.serving.following.follower import Follower
from regrow.serving.following.loading import KEPT
from regrow.serving.metrics import ServerMetrics
from regrow.serving.predict.versions import ServedVersion

PLAN = Canary(kind="canary", weights=(0.1, 0.5), mirror=0.25)


class Registry:
    """A registry of one model that can be taken away, and the loading of its versions."""

    def __init__(self):
        self.aliases, self.tags, self.failure = {}, {}, None
        self.slow, self.broken, self.loads = {}, set(), []

    def get_registered_model(self, name):
        if self.failure is not None:
            raise self.failure
        return SimpleNamespace(name=name, aliases=dict(self.aliases), tags=dict(self.tags))

    def show(self, champion, challenger=None, stage=0, move=1, alias=None):
        at = "2013-05-01T00:00:00Z"
        opened = Rollout(id=f"v{challenger}-a", plan=PLAN, stage=stage, since=at, began=at)
        rollout = opened if challenger else None
        state = State(champion=champion, challenger=challenger, rollout=rollout, move=move)
        self.tags["regrow.state"] = state.model_dump_json()
        self.aliases["champion"] = str(alias or champion)

    def load(self, name, version):
        self.loads.append(version)
        if version in self.slow:
            self.slow[version].wait(10)
        if version in self.broken:
            raise RegistryError("its files are gone")
        return ServedVersion(version, SimpleNamespace(), SimpleNamespace(), 0.0, (2 if version < 90 else 3,))


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


@pytest.fixture
def store(monkeypatch):
    shown = Registry()
    monkeypatch.setattr(loading, "load_version", shown.load)
    return shown


@pytest.fixture
def follower(store):
    running = Follower(store, ("demo",), ServerMetrics(), interval=0.02)
    running.start()
    yield running
    running.stop()
    running.join(10)


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def shown(follower):
    split = follower.models["demo"].split
    return split and (split.champion.version, split.challenger and split.challenger.version, split.weight)


def test_a_rollout_is_followed_as_a_whole(store, follower):
    """Champion, challenger, weight, mirror, stage and move change together, without loading anything twice."""
    store.show(3)
    until(lambda: shown(follower) == (3, None, 0.0))
    store.show(3, 4, move=2)
    until(lambda: shown(follower) == (3, 4, 0.1))
    split = follower.models["demo"].split
    assert (split.mirror, split.stage, split.rollout, split.move) == (0.25, 0, "v4-a", 2)
    store.show(3, 4, stage=1, move=3)
    until(lambda: shown(follower) == (3, 4, 0.5))
    store.show(4, move=4)
    until(lambda: shown(follower) == (4, None, 0.0))
    store.show(3, move=5)
    until(lambda: shown(follower) == (3, None, 0.0))
    assert follower.models["demo"].split.move == 5
    assert store.loads == [3, 4], "a rollback returns to what is in memory"


def test_a_challenger_that_loads_delays_no_champion(store, follower):
    """While a challenger takes its time the champion is swapped at once."""
    store.show(3)
    store.slow[4] = threading.Event()
    until(lambda: shown(follower) == (3, None, 0.0))
    store.show(3, 4, move=2)
    until(lambda: 4 in store.loads)
    store.show(5, move=3)
    until(lambda: shown(follower) == (5, None, 0.0))
    store.show(5, 4, move=4)
    store.slow[4].set()
    until(lambda: shown(follower) == (5, 4, 0.1))


def test_a_registry_that_is_down_changes_nothing(store, follower):
    """Without the registry the split goes on and the age of its last answer grows; afterwards all is caught up."""
    store.show(3, 4)
    until(lambda: shown(follower) == (3, 4, 0.1))
    store.failure = MlflowException("connection refused")
    until(lambda: follower.error is not None)
    assert "connection refused" in follower.error
    store.show(5, move=2)
    age = follower.age()
    time.sleep(0.1)
    assert follower.age() > age
    assert shown(follower) == (3, 4, 0.1)
    store.failure = None
    until(lambda: shown(follower) == (5, None, 0.0))
    assert follower.error is None
    assert follower.age() < 1


def test_a_model_that_does_not_exist_yet_is_waited_for(store, follower):
    """A name without a model, then without a champion, is said to have none; it answers as soon as it has."""
    store.failure = MlflowException("no model", RESOURCE_DOES_NOT_EXIST)
    until(lambda: "alias 'champion'" in (follower.models["demo"].problem or ""))
    assert follower.error is None
    store.failure = None
    store.show(3)
    until(follower.ready)


@pytest.mark.parametrize(("challenger", "said"), [(4, "its files are gone"), (99, "predictions of shape")])
def test_a_challenger_that_cannot_serve_is_a_problem_that_is_seen(store, follower, challenger, said):
    """The rollout is on record, without a challenger; once it can be loaded it takes its part."""
    store.broken.add(4)
    store.show(3, challenger)
    until(lambda: said in (follower.models["demo"].problem or ""))
    split = follower.models["demo"].split
    assert (split.champion.version, split.challenger, split.contender) == (3, None, challenger)
    assert (split.weight, split.rollout) == (0.1, f"v{challenger}-a")
    store.broken.clear()
    if challenger == 4:
        until(lambda: shown(follower) == (3, 4, 0.1))
        assert follower.models["demo"].problem is None


def test_a_champion_that_cannot_be_loaded_leaves_the_one_before(store, follower):
    """The version before answers on, alone; attempts become rarer."""
    store.show(3, 4)
    until(lambda: shown(follower) == (3, 4, 0.1))
    store.broken.add(7)
    store.show(7, move=2)
    until(lambda: "version 7 cannot be served" in (follower.models["demo"].problem or ""))
    until(lambda: shown(follower) == (3, None, 0.0))
    refused = time.monotonic()
    until(lambda: store.loads.count(7) == 3)
    assert time.monotonic() - refused > 2, "a second, then two"


def test_a_move_whose_alias_follows_in_a_moment_changes_nothing_before(store, follower, monkeypatch):
    """Between a move's state and its alias the split stays; an alias that never follows decides alone."""
    store.show(3, 4)
    until(lambda: shown(follower) == (3, 4, 0.1))
    store.show(4, move=2, alias=3)
    time.sleep(0.3)
    assert shown(follower) == (3, 4, 0.1)
    monkeypatch.setattr(following, "SETTLE_SECONDS", 0.05)
    until(lambda: shown(follower) == (3, None, 0.0))
    assert follower.models["demo"].split.move is None


def test_memory_holds_few_versions(store, follower):
    """However many versions came and went, few stay in memory."""
    for version in range(10, 20):
        store.show(version, move=version)
        until(lambda version=version: shown(follower) == (version, None, 0.0))
    assert list(follower.models["demo"].versions.loaded) == list(range(20 - KEPT, 20))


@pytest.mark.parametrize("text", ["{", '{"champion": "x"}', '{"champion": 3, "move": "x"}'])
def test_a_state_that_cannot_be_read_is_seen(store, follower, text):
    """A state of another time or hand is a problem in /health; the champion answers."""
    store.show(3)
    store.tags["regrow.state"] = text
    until(lambda: "regrow.state" in (follower.models["demo"].problem or ""))
    assert shown(follower) == (3, None, 0.0)
