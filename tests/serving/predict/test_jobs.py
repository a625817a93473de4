"""How a request is cut into jobs, and how their answers are put together again."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from model_facts import make_facts

from regrow.data.predictions import CHALLENGER, CHAMPION
from regrow.decisions.hold_back import is_held_back
from regrow.models.contract import Rows
from regrow.serving.log.lines import NOT_FINITE
from regrow.serving.predict.jobs import AnsweredJob, CheckedRequest, collect, hold_back
from regrow.serving.predict.versions import ServedVersion, TrafficSplit


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


def version(number):
    contract = SimpleNamespace(types={"hour": "long"}, refit=lambda rows, _: rows)
    return ServedVersion(number, SimpleNamespace(), contract, 0.0, ())


@pytest.fixture
def request_of_six():
    """Make a request of six rows during a rollout in which both versions score every row."""
    split = TrafficSplit(
        version(3), rollout="v4-a", stage=0, weight=0.5, mirror=1.0, contender=4, challenger=version(4)
    )
    rows = Rows({"hour": list(range(6))}, 6, [f"e{i}" for i in range(6)], [None] * 6)
    return CheckedRequest(split, rows, 0.0, [f"p{i}" for i in range(6)])


def test_answers_return_to_the_places_of_their_rows(request_of_six):
    """Whatever order the jobs come back in, each row has its value and version; a row that fell back is no shadow."""
    split = request_of_six.split
    ours = request_of_six.job(split.champion, CHAMPION, [1, 4])
    theirs = request_of_six.job(split.challenger, CHALLENGER, [0, 2, 3, 5])
    fallen = request_of_six.job(split.champion, CHAMPION, [3], NOT_FINITE)
    assert (theirs.identifiers, theirs.rows.features["hour"]) == (["p0", "p2", "p3", "p5"], [0, 2, 3, 5])
    answered = [
        AnsweredJob(theirs, [0.0, 0.2, None, 0.5]),
        AnsweredJob(ours, [0.1, 0.4]),
        AnsweredJob(fallen, [0.3]),
    ]
    answer = collect(request_of_six, answered)
    assert answer.values == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert answer.versions == [4, 3, 4, 3, 3, 4]
    shadows = {job.attribution.version: list(job.places) for job in answer.shadows}
    assert shadows == {3: [0, 2, 5], 4: [1, 4]}


def test_a_request_outside_of_a_rollout_has_no_shadow(request_of_six):
    """A version that was asked for by its number answers all rows, and the log names no rollout."""
    job = request_of_six.job_outside_rollout(request_of_six.split.challenger, CHALLENGER)
    assert (list(job.places), job.attribution.rollout, job.attribution.stage) == (list(range(6)), None, None)
    quiet = CheckedRequest(
        request_of_six.split, request_of_six.rows, 0.0, request_of_six.identifiers, logged=False
    )
    assert len(request_of_six.shadow_jobs()) == 1
    assert quiet.shadow_jobs() == ()


def test_whom_the_champion_holds_back_is_held_back_by_whoever_answers(request_of_six):
    """Each job knows of its own rows whether they are held back; without a share nobody is asked."""
    facts = make_facts(0, 1, hold_back=0.5)
    holding = ServedVersion(3, SimpleNamespace(facts=facts), None, 0.0, ())
    rows, identifiers = request_of_six.rows, request_of_six.identifiers
    held = hold_back(holding, rows, identifiers)
    assert held == [is_held_back("demo", name, 0.5) for name in rows.entities]
    asked = replace(request_of_six, held=held)
    challenged = asked.job(asked.split.challenger, CHALLENGER, [4, 1])
    assert challenged.held == [held[4], held[1]]
    assert asked.job_outside_rollout(asked.split.challenger, CHALLENGER).held == held
    assert request_of_six.job(asked.split.champion, CHAMPION).held is None
    nameless = replace(rows, entities=[None] * 6)
    assert hold_back(holding, nameless, identifiers) == [
        is_held_back("demo", each, 0.5) for each in identifiers
    ]
    without = ServedVersion(3, SimpleNamespace(facts=make_facts(0, 1)), None, 0.0, ())
    assert hold_back(without, rows, identifiers) is None
