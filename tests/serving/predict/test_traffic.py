"""Rows on their way to champion and challenger, with models that misbehave on command."""

# Stand-ins for the parts beside what is tested are of no declared type.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOptionalMemberAccess=false, reportMissingImports=false

import asyncio
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from model_facts import make_facts

from regrow.base.errors import ModelFailed, Overloaded
from regrow.decisions.rollout.assignment import is_challengers
from regrow.models.decoding import Columns
from regrow.models.stored import LoadedModel
from regrow.serving.log.journal import Journal
from regrow.serving.log.lines import new_identifiers
from regrow.serving.log.segments import read_segment, segments
from regrow.serving.metrics import ServerMetrics
from regrow.serving.predict import batching, shadow
from regrow.serving.predict.jobs import CheckedRequest
from regrow.serving.predict.traffic import Traffic
from regrow.serving.predict.versions import ServedVersion, TrafficSplit

FRAME = pd.DataFrame({"distance": [1.0, 2.0], "carrier": ["AA", "UA"]})
TIMEOUT = 0.3


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


class Scripted:
    """A model that gives its number, and does what it is told when a row of a certain distance comes."""

    def __init__(self, number: Any):
        self.number = number
        self.go = threading.Event()
        self.go.set()
        self.calls = []

    def predict_proba(self, frame: Any):
        self.calls.append(len(frame))
        self.go.wait(20)
        if (frame["distance"] == -1).any():
            raise RuntimeError("this row cannot be predicted")
        given = np.tile([1 - self.number / 10, self.number / 10], (len(frame), 1))
        given[frame["distance"] == -2] = np.nan
        return given[:-1] if (frame["distance"] == -3).any() else given


def served(number: Any, frame: Any = FRAME):
    facts = make_facts(0, 1, id="row", timestamp="at")
    signature = infer_signature(frame, np.array([[0.5, 0.5]]))
    model = LoadedModel(f"m-{number}", Scripted(number), signature, facts)
    return ServedVersion(number, model, model.contract, 0.0, (2,))


def split(weight: Any = 0.5, mirror: Any = 0.0, challenger: Any = None):
    return TrafficSplit(
        served(3),
        move=7,
        rollout="v4-a",
        stage=1,
        weight=weight,
        mirror=mirror,
        contender=4,
        challenger=challenger or served(4),
    )


def rows(route: Any, distances: Any, entities: Any = None):
    count = len(distances)
    values = {"distance": list(distances), "carrier": ["AA"] * count}
    if entities is not None:
        values["row"] = entities
    return route.champion.contract.check(Columns(values, count), 10_000)


def ask(route: Any, distances: Any, entities: Any = None):
    return CheckedRequest(
        route, rows(route, distances, entities), time.perf_counter(), new_identifiers(len(distances))
    )


@asynccontextmanager
async def traffic(folder: Path):
    journal = Journal(folder / "demo")
    running = Traffic("demo", journal, ServerMetrics(), TIMEOUT)
    running.journal = journal
    yield running
    await running.close()


def logged(journal: Any):
    journal.rotate()
    read = [row for path in segments(journal.path) for row in read_segment(path)[1]]
    return {row["prediction_id"]: row for row in read if row.get("role") != "shadow"}, [
        row for row in read if row.get("role") == "shadow"
    ]


def counted(running: Any, name: Any, **labels: Any):
    return running._metrics.registry.get_sample_value(name, {"model": "demo", **labels}) or 0


async def until(condition: Any):
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to pass within 8 s")


async def test_each_row_is_answered_by_the_version_of_its_entity(tmp_path: Path):
    """The rows of one request go to both versions, each by the hash of its entity; the log agrees."""
    route = split(weight=0.5)
    async with traffic(tmp_path) as running:
        names = [f"e{i}" for i in range(200)]
        given = await running.answer(ask(route, [1.0] * 200, names))
        expected = [4 if is_challengers("v4-a", name, 0.5) else 3 for name in names]
        assert given.versions == expected
        assert [round(value[1] * 10) for value in given.values] == expected
        answered, _ = logged(running.journal)
        for identifier, name, version in zip(given.identifiers, names, expected, strict=True):
            row = answered[identifier]
            role = "challenger" if version == 4 else None
            assert (row["entity_id"], row["version"], row.get("role"), row["rollout"], row["stage"]) == (
                name,
                version,
                role,
                "v4-a",
                1,
            )
            assert row["seconds"] > 0


@pytest.mark.parametrize(("distance", "reason"), [(-1.0, "raised"), (-2.0, "not finite"), (-3.0, "raised")])
async def test_what_the_challenger_fails_on_the_champion_answers(tmp_path: Path, distance: Any, reason: Any):
    """A challenger that raises, gives NaN or too few rows: the champion answers, logged and counted with the reason."""
    route = split(weight=1.0)
    route.champion.model.pipeline.predict_proba = lambda frame: np.tile([0.7, 0.3], (len(frame), 1))
    async with traffic(tmp_path) as running:
        bad = await running.answer(ask(route, [distance]))
        mixed = await running.answer(ask(route, [1.0, distance, 1.0]))
        assert bad.versions == [3]
        assert bad.values == [[0.7, 0.3]]
        assert mixed.versions == ([4, 3, 4] if reason == "not finite" else [3, 3, 3])
        answered, _ = logged(running.journal)
        assert len(answered) == 4
        row = answered[bad.identifiers[0]]
        assert (row["version"], row.get("role"), row["fallback"], row["rollout"]) == (
            3,
            None,
            reason,
            "v4-a",
        )
        fallen = mixed.versions.count(3) + 1
        assert counted(running, "regrow_fallbacks_total", version="4", reason=reason) == fallen
        assert counted(running, "regrow_errors_total", version="4", role="challenger") == fallen


async def test_one_request_that_fails_spoils_no_other(tmp_path: Path):
    """Of requests predicted together by the challenger only the one that it fails on falls back."""
    route = split(weight=1.0)
    route.champion.model.pipeline.predict_proba = lambda frame: np.tile([0.7, 0.3], (len(frame), 1))
    async with traffic(tmp_path) as running:
        route.challenger.model.pipeline.go.clear()
        first = asyncio.create_task(running.answer(ask(route, [1.0])))
        await asyncio.sleep(0.05)
        together = [running.answer(ask(route, [-1.0 if i == 13 else 1.0])) for i in range(20)]
        waiting = asyncio.gather(*together)
        await asyncio.sleep(0.05)
        route.challenger.model.pipeline.go.set()
        answers = await waiting
        assert [given.versions[0] for given in answers] == [3 if i == 13 else 4 for i in range(20)]
        assert (await first).versions == [4]


async def test_a_stuck_challenger_costs_its_timeout_once(tmp_path: Path):
    """Rows that wait for a stuck challenger fall back in time, later ones at once; none is logged twice."""
    route = split(weight=1.0)
    async with traffic(tmp_path) as running:
        route.challenger.model.pipeline.go.clear()
        began = time.monotonic()
        first = await running.answer(ask(route, [1.0]))
        assert first.versions == [3]
        assert time.monotonic() - began > TIMEOUT * 0.9
        assert "has not come back" in running.problems()[0]
        began = time.monotonic()
        later = await asyncio.gather(*(running.answer(ask(route, [1.0])) for _ in range(20)))
        assert time.monotonic() - began < TIMEOUT * 0.9
        assert {given.versions[0] for given in later} == {3}
        route.challenger.model.pipeline.go.set()
        await until(lambda: not running.problems())
        assert (await running.answer(ask(route, [1.0]))).versions == [4]
        answered, _ = logged(running.journal)
        assert len(answered) == 22
        assert sum(row.get("fallback") == "timeout" for row in answered.values()) == 21
        assert counted(running, "regrow_fallbacks_total", version="4", reason="timeout") == 21


async def test_a_stuck_challenger_holds_up_no_stop(tmp_path: Path):
    """The server stops although a challenger never comes back; what it was asked is answered and logged."""
    route = split(weight=1.0)
    running = Traffic("demo", Journal(tmp_path / "demo"), ServerMetrics(), TIMEOUT)
    route.challenger.model.pipeline.go.clear()
    assert (await running.answer(ask(route, [1.0]))).versions == [3]
    began = time.monotonic()
    await running.close()
    assert time.monotonic() - began < TIMEOUT + 2
    route.challenger.model.pipeline.go.set()


async def test_a_challenger_that_cannot_be_loaded_leaves_its_rows_to_the_champion(tmp_path: Path):
    """Its rows are answered by the champion and logged as fallen back; its shadows are logged as failed."""
    route = TrafficSplit(
        served(3), rollout="v4-a", stage=0, weight=0.5, mirror=1.0, contender=4, challenger=None
    )
    async with traffic(tmp_path) as running:
        names = [f"e{i}" for i in range(50)]
        given = await running.answer(ask(route, [1.0] * 50, names))
        assert set(given.versions) == {3}
        running.shadow.offer(given.shadows)
        theirs = sum(is_challengers("v4-a", name, 0.5) for name in names)
        await until(lambda: len(logged(running.journal)[1]) == 50 - theirs)
        answered, shadows = logged(running.journal)
        assert sum(row.get("fallback") == "raised" for row in answered.values()) == theirs
        assert {(row["version"], row["prediction"], row["fallback"]) for row in shadows} == {
            (4, None, "raised")
        }


async def test_both_versions_score_mirrored_rows_of_each_other(tmp_path: Path):
    """In canary each version scores unseen what the other answered; the client's row is named, its features are not."""
    route = split(weight=0.5, mirror=1.0)
    async with traffic(tmp_path) as running:
        given = await running.answer(ask(route, [1.0, -2.0] * 20, [f"e{i}" for i in range(40)]))
        assert not logged(running.journal)[1], "nothing is scored before it is handed on"
        running.shadow.offer(given.shadows)
        wanted = sum(part.rows.count for part in given.shadows)
        await until(lambda: len(logged(running.journal)[1]) == wanted)
        answered, shadows = logged(running.journal)
        assert wanted == sum("fallback" not in row for row in answered.values())
        for row in shadows:
            origin = answered[row["shadow_of"]]
            assert {row["version"], origin["version"]} == {3, 4}
            assert (row["entity_id"], row["rollout"], row["features"]) == (
                origin["entity_id"],
                "v4-a",
                None,
            )
            assert row["prediction_id"] not in answered
            assert row.get("fallback") == ("not finite" if row["prediction"] is None else None)
        assert counted(running, "regrow_rows_total", version="4", role="shadow") == sum(
            row["version"] == 4 for row in shadows
        )


async def test_shadows_are_dropped_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """While a shadow is stuck the client waits for nothing; what does not fit its queue is dropped and counted."""
    monkeypatch.setattr(shadow, "QUEUE_ROWS", 10)
    route = split(weight=0.0, mirror=1.0)
    async with traffic(tmp_path) as running:
        route.challenger.model.pipeline.go.clear()
        began = time.monotonic()
        for _ in range(40):
            given = await running.answer(ask(route, [1.0]))
            running.shadow.offer(given.shadows)
            assert given.versions == [3]
        assert time.monotonic() - began < 10
        dropped = counted(running, "regrow_shadow_dropped_total", version="4")
        assert dropped >= 40 - 10 - shadow.BATCH_ROWS
        assert dropped > 0
        route.challenger.model.pipeline.go.set()
        await until(lambda: len(logged(running.journal)[1]) == 40 - dropped)
        assert len(logged(running.journal)[0]) == 40


async def test_too_many_waiting_requests_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A full queue is a 429, and the requests that wait are answered all the same."""
    monkeypatch.setattr(batching, "QUEUE_REQUESTS", 5)
    route = TrafficSplit(served(3))
    async with traffic(tmp_path) as running:
        route.champion.model.pipeline.go.clear()
        waiting = [asyncio.create_task(running.answer(ask(route, [1.0])))]
        await asyncio.sleep(0.05)
        waiting += [asyncio.create_task(running.answer(ask(route, [1.0]))) for _ in range(9)]
        await asyncio.sleep(0.05)
        route.champion.model.pipeline.go.set()
        given = await asyncio.gather(*waiting, return_exceptions=True)
        refused = [error for error in given if isinstance(error, Overloaded)]
        assert len(refused) == 4
        assert len(logged(running.journal)[0]) == 6


async def test_a_challenger_with_another_signature_takes_the_rows_that_fit(tmp_path: Path):
    """Columns that it lacks are left out; a column that no request can have makes its rows fall back."""
    narrow, wide = FRAME[["distance"]], FRAME.assign(engine=[1.0, 2.0])
    async with traffic(tmp_path) as running:
        fits = await running.answer(ask(split(1.0, challenger=served(4, narrow)), [1.0]))
        assert fits.versions == [4]
        lacks = await running.answer(ask(split(1.0, challenger=served(4, wide)), [1.0]))
        assert lacks.versions == [3]
        answered, _ = logged(running.journal)
        assert answered[fits.identifiers[0]]["features"] == [1.0, "AA"]
        assert answered[lacks.identifiers[0]]["fallback"] == "raised"


async def test_a_version_that_is_asked_for_answers_outside_of_the_rollout(tmp_path: Path):
    """What was asked for by its number is no evidence: it has no rollout, no shadow and no fallback."""
    route = split(weight=0.5, mirror=1.0)
    async with traffic(tmp_path) as running:
        given = await running.answer_by(ask(route, [1.0] * 9), route.challenger)
        assert given.versions == [4] * 9
        assert given.shadows == ()
        answered, _ = logged(running.journal)
        assert {(row["version"], row["role"], row.get("rollout")) for row in answered.values()} == {
            (4, "challenger", None)
        }
        wide = served(5, FRAME.assign(engine=[1.0, 2.0]))
        checked = wide.contract.check(Columns({"engine": [7.0], "distance": [1.0], "carrier": ["UA"]}, 1), 9)
        other = await running.answer_by(CheckedRequest(route, checked, 0.0, new_identifiers(1)), wide)
        running.journal.rotate()
        columns = read_segment(segments(running.journal.path)[-1]).columns
        row = logged(running.journal)[0][other.identifiers[0]]
        given = dict(zip(columns, row["features"], strict=True))
        assert given == {"engine": 7.0, "distance": 1.0, "carrier": "UA"}
        with pytest.raises(ModelFailed, match="cannot be predicted"):
            await running.answer_by(ask(route, [-1.0]), route.challenger)
        quiet = ask(route, [1.0])
        await running.answer_by(
            CheckedRequest(quiet.split, quiet.rows, 0.0, quiet.identifiers, logged=False), route.champion
        )
        assert len(logged(running.journal)[0]) == 10, "a probe is not logged"


async def test_lines_are_whole_json(tmp_path: Path):
    """A row outside of a rollout carries no word of one."""
    async with traffic(tmp_path) as running:
        await running.answer(ask(TrafficSplit(served(3)), [1.0]))
        running.journal.rotate()
        line = read_segment(segments(running.journal.path)[0]).rows[0]
        assert set(line) == {
            "prediction_id",
            "entity_id",
            "event_time",
            "features",
            "prediction",
            "served_at",
            "version",
            "seconds",
        }
