import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from model_facts import NOWHERE, make_facts

from regrow.data.snapshots import Snapshot
from regrow.project import load_project
from regrow.registry import Version
from regrow.results import Candidate, Evaluation
from tasks.measure_performance import holdout_figure, label_rows
from tasks.register import version_tags


def moment(day: int) -> pd.Timestamp:
    return pd.Timestamp(datetime(2024, 1, day, tzinfo=UTC))


def test_an_entity_counts_once_and_a_labelled_prediction_always():
    """Of the watched version come each row's last prediction, and every one that was labelled itself.

    A label that is none of the model's classes is left out and counted.
    """
    served = pd.DataFrame(
        {
            "prediction_id": ["a", "b", "c", "d", "e"],
            "row_key": None,
            "entity_id": ["1", "1", "1", "2", None],
            "event_time": moment(1),
            "served_at": [moment(1), moment(2), moment(3), moment(1), moment(1)],
            "version": [2, 2, 2, 1, 2],
        }
    )
    labels = pd.DataFrame(
        {
            "prediction_id": ["a", None, None],
            "row_key": None,
            "entity_id": [None, "1", "2"],
            "event_time": pd.NaT,
            "label": [0.0, 1.0, 1.0],
            "labelled_at": [moment(3)] * 3,
        }
    )
    found = label_rows(load_project(FLIGHTS), served, labels, 2, make_facts(False, True, id="id"))
    assert found.rows[["prediction_id", "label"]].to_numpy().tolist() == [["a", 0.0], ["c", 1.0]]
    strange = labels.assign(label=["maybe", 7, 1])
    found = label_rows(load_project(FLIGHTS), served, strange, 2, make_facts(False, True, id="id"))
    assert (len(found.rows), found.unfit) == (0, 2)


LARGE = Snapshot(uri="file:///none", digest="0" * 64, rows=1_000, columns={})
FLIGHTS = Path(__file__).parents[2] / "configs" / "flights.yaml"


def version(tags: dict[str, str]) -> Version:
    return Version(name="m", number=2, model_id="m-1", run_id="r", tags=tags)


def test_a_figure_stands_on_the_rows_it_came_from():
    """A version judged on 300 unseen rows of a holdout of 1,000 is held against a figure of 300 rows."""
    held = make_facts(False, True, id="id", holdout=LARGE)
    evaluation = Evaluation(
        candidate=Candidate(model_id="m-1", run_id="r", recipe="x", facts=held),
        champion_version=1,
        rows=300,
        metrics={"roc_auc": 0.7},
        baseline={"roc_auc": 0.5},
        champion={"roc_auc": 0.6},
        slices=(),
        predictions=NOWHERE,
    )
    tags = version_tags(load_project(FLIGHTS), evaluation, "manual", "2024-01-01", "f")
    found = holdout_figure(version(tags), held, "roc_auc")
    assert (found.figure, found.rows, found.rows_are_known) == (0.7, 300, True)


def test_a_version_of_0_1_falls_back_to_the_whole_holdout():
    """A version that does not say how many rows its figure is of is given the holdout's, as a guess that is told."""
    held = make_facts(False, True, id="id", holdout=LARGE)
    found = holdout_figure(version({"regrow.metrics": json.dumps({"roc_auc": 0.7})}), held, "roc_auc")
    assert (found.rows, found.rows_are_known) == (1_000, False)
