"""What the rows of the prediction log show of a rollout: whose rows count for whom, and which belong together."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from regrow.data.predictions import CHALLENGER, CHAMPION, SHADOW
from regrow.data.snapshots import Snapshot
from regrow.decisions.rollout.assignment import is_mirrored
from regrow.decisions.rollout.evidence import SampleRatio
from regrow.decisions.rollout.logged import (
    answers_of,
    asked_of_challenger,
    make_pairs,
    measure_arm,
    measure_ratio,
    mirrored_rows,
    name_entities,
)
from regrow.models.results import ModelFacts
from regrow.project import Data

NOW = datetime(2024, 3, 1, tzinfo=UTC)
LATER = [pd.Timestamp(NOW) + pd.Timedelta(milliseconds=number) for number in (1, 2)]
EMPTY = Snapshot(uri="file:///none", digest="0" * 64, rows=0, columns={})
FACTS = ModelFacts(
    project="m", kind="binary", classes=(0, 1), id="id", timestamp=None, training=EMPTY, holdout=EMPTY
)
DATA = Data.model_validate(
    {"source": {"kind": "csv", "path": "x.csv"}, "target": "y", "timestamp": "at", "label_delay": "1d"}
)
TRUTH = pd.Series([1.0], index=["a"])


def log(*rows: dict[str, object]) -> pd.DataFrame:
    """Write rows of the prediction log; what a row does not say is as of one that went well."""
    plain = {
        "entity_id": None,
        "event_time": pd.Timestamp(NOW),
        "served_at": pd.Timestamp(NOW),
        "stage": 1,
        "fallback": None,
        "request_id": None,
        "seconds": 0.01,
        "shadow_of": None,
        "prediction": [0.4, 0.6],
    }
    return pd.DataFrame([plain | row for row in rows])


ROWS = log(
    {"prediction_id": "a", "role": CHAMPION},
    {"prediction_id": "b", "role": CHALLENGER, "served_at": LATER[0], "seconds": 0.02},
    {"prediction_id": "c", "role": CHAMPION, "served_at": LATER[1], "fallback": "timeout", "seconds": 0.03},
    {"prediction_id": "s", "role": SHADOW, "shadow_of": "a", "prediction": [0.3, 0.7]},
)


def test_a_row_that_fell_back_counts_against_the_challenger() -> None:
    """In a canary its rows are those it answered and those it should have; in shadow those it scored unseen."""
    canary = asked_of_challenger(ROWS, shadow=False)
    assert canary["prediction_id"].tolist() == ["b", "c"]
    assert asked_of_challenger(ROWS, shadow=True)["prediction_id"].tolist() == ["s"]
    arm = measure_arm(canary)
    assert (arm.rows, arm.requests, arm.failures) == (2, 2, 1)
    assert arm.seconds.tolist() == [0.02, 0.03]


def test_a_request_that_failed_is_one_failure_and_half_of_one_a_half() -> None:
    """The rows of a request that a version failed on together count once; those that it answered count with them."""
    request = {"request_id": "a", "prediction_id": "a"}
    whole = [{**request, "role": CHAMPION, "fallback": "raised"} for _ in range(100)]
    assert (measure_arm(log(*whole)).requests, measure_arm(log(*whole)).failures) == (1, 1.0)
    half = measure_arm(log(whole[0], {**request, "role": CHALLENGER, "served_at": LATER[0], "seconds": 0.5}))
    assert (half.requests, half.failures, half.seconds.tolist()) == (1, 0.5, [0.5])


def test_whom_the_challenger_was_asked_for_is_counted_by_entity() -> None:
    """An entity counts once, a row without one alone, one that fell back as the challenger's, a shadow not at all."""
    again = log(
        *({"prediction_id": f"{n}", "entity_id": "x", "role": CHALLENGER} for n in range(3)),
        {"prediction_id": "c", "role": CHAMPION, "fallback": "raised"},
        {"prediction_id": "d", "role": CHAMPION},
        {"prediction_id": "s", "role": SHADOW, "shadow_of": "d"},
    )
    assert measure_ratio(again, 0.5) == SampleRatio(0.5, 3, 2, rows=5)
    assert measure_ratio(again, 0.0) is None


def test_failures_outside_of_the_mirror_make_no_pair() -> None:
    """Of rows that fell back those of mirrored entities are paired, as of all other rows."""
    fallen = log(
        *({"prediction_id": f"p{n}", "role": CHAMPION, "fallback": "raised"} for n in range(50)),
        *({"prediction_id": f"q{n}", "role": CHALLENGER} for n in range(50)),
    )
    left = mirrored_rows(fallen, "v2", 0.3)
    mirrored = {f"p{n}" for n in range(50) if is_mirrored("v2", f"p{n}", 0.3)}
    assert set(left["prediction_id"]) == mirrored | {f"q{n}" for n in range(50)}
    assert 0 < len(mirrored) < 50
    assert len(mirrored_rows(fallen, "v2", 1.0)) == 100


def test_a_request_of_many_rows_is_timed_once() -> None:
    """Rows of one request share moment and time to answer: together they are one observation of it."""
    request = [{"prediction_id": str(row), "role": CHAMPION, "seconds": 0.5} for row in range(3)]
    assert measure_arm(log(*request)).seconds.tolist() == [0.5]


def test_both_answers_to_a_row_are_paired_with_its_label() -> None:
    """A shadow is set beside the answer it belongs to; a row that the challenger failed on is a pair without it."""
    pairs = make_pairs(ROWS, TRUTH, FACTS, DATA, NOW + timedelta(days=2))
    assert pairs.champion.tolist() == [[0.4, 0.6], [0.4, 0.6]]
    assert pairs.challenger[0].tolist() == [0.3, 0.7]
    assert np.isnan(pairs.challenger[1]).all()
    assert (pairs.labelled.tolist(), pairs.target[0]) == ([True, False], 1)


def test_a_day_is_settled_when_it_is_over_and_its_labels_are_due() -> None:
    """Pairs stand in the order of their event times; those of yesterday wait for their labels, those of today too."""
    times = [pd.Timestamp(NOW) + pd.Timedelta(hours=hours) for hours in (30, 3)]
    rows = log(
        *(
            {"prediction_id": name, "event_time": at, "role": CHAMPION}
            for name, at in zip("ab", times, strict=True)
        ),
        *({"prediction_id": f"s{name}", "role": SHADOW, "shadow_of": name} for name in "ab"),
    )
    pairs = make_pairs(rows, TRUTH, FACTS, DATA, NOW + timedelta(days=2))
    assert (pairs.labelled.tolist(), (pairs.settled is not None) and pairs.settled.tolist()) == (
        [False, True],
        [True, False],
    )
    assert pairs.units is not None
    assert pairs.units.named == "2 days"


def test_an_answer_waits_for_its_day_and_a_day_is_the_same_for_both_versions() -> None:
    """Rows of a day that is not over, or whose labels are not due, are left out; days have one name in both arms."""
    hours = {"a": 3, "b": 27, "c": 30, "d": 60}
    rows = log(
        *(
            {
                "prediction_id": name,
                "event_time": pd.Timestamp(NOW) + pd.Timedelta(hours=hour),
                "role": CHAMPION,
            }
            for name, hour in hours.items()
        )
    )
    as_of = NOW + timedelta(days=3)
    one, other = (answers_of(part, TRUTH, FACTS, DATA, as_of) for part in (rows.iloc[:2], rows.iloc[[2, 3]]))
    assert (one.unit, len(one.prediction), len(other.prediction)) == ("day", 2, 1)
    assert one.units is not None
    assert other.units is not None
    assert one.units[1] == other.units[0] != one.units[0]


def test_rows_without_an_entity_stand_alone() -> None:
    """A row that names nobody is an entity of its own; if none does, there are no entities."""
    named = name_entities(log({"prediction_id": "a", "entity_id": "x"}, {"prediction_id": "b"}))
    assert named is not None
    assert named.tolist() == ["x", "b"]
    assert name_entities(ROWS) is None
