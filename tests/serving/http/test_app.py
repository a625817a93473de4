"""What a client sees of the model server."""

import json
import time
from typing import Any

import httpx
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

from regrow.models.stored import load_model

JSON = {"Content-Type": "application/json"}
ROW = {"carrier": "AA", "distance": 900.0, "hour": 17}


def ask(server: Any, content: Any, name: Any = "demo", **options: Any):
    return httpx.post(f"{server.url}/models/{name}/invocations", json=content, timeout=30, **options)


@pytest.fixture(scope="module")
def expected(registry: Any):
    mlflow.set_tracking_uri(registry.uri)
    return load_model("models:/demo/1").predict(pd.DataFrame([ROW, {**ROW, "hour": 3}]))


@pytest.mark.parametrize(
    "content",
    [
        {"dataframe_records": [ROW, {**ROW, "hour": 3}]},
        {"dataframe_split": {"columns": list(ROW), "data": [["AA", 900, 17], ["AA", 900.0, 3]]}},
        {"inputs": {"carrier": ["AA", "AA"], "distance": [900.0, 900.0], "hour": [17, 3]}},
        {"instances": [ROW, {**ROW, "hour": 3}]},
        {"inputs": [["AA", 900.0, 17], ["AA", 900.0, 3]]},
    ],
)
def test_every_form_of_the_protocol_gives_the_same_predictions(server: Any, expected: Any, content: Any):
    """Each form of MLflow's protocol gives what the model gives in process, bit for bit, with its version."""
    response = ask(server, content)
    assert response.status_code == 200, response.text
    assert np.array_equal(response.json()["predictions"], expected)
    assert len(set(response.json()["prediction_ids"])) == 2
    assert response.json()["version"] == 1 == int(response.headers["X-Regrow-Version"])


def test_csv_is_read_in_the_types_of_the_signature(server: Any, expected: Any):
    """Text without types becomes what the signature says."""
    body = "carrier,distance,hour\nAA,900,17\nAA,900,3\n"
    response = httpx.post(
        f"{server.url}/models/demo/invocations", content=body, headers={"content-type": "text/csv"}
    )
    assert np.array_equal(response.json()["predictions"], expected)


def test_mlflow_client_works_unchanged(registry: Any, single: Any):
    """MLflow's own client gives what its pyfunc model gives, on a NaN and an unknown category too."""
    client = ScoringServerClient("127.0.0.1", int(single.url.rpartition(":")[2]))
    client.wait_server_ready()
    frame = pd.DataFrame([ROW, {**ROW, "distance": float("nan"), "carrier": "ZZ"}])
    given = client.invoke(frame).get_predictions("ndarray")
    mlflow.set_tracking_uri(registry.uri)
    assert np.array_equal(given, mlflow.pyfunc.load_model("models:/demo/1").predict(frame))


@pytest.mark.parametrize(
    ("change", "code", "column"),
    [
        ({"distance": "far"}, "wrong_type", "distance"),
        ({"hour": 1.5}, "wrong_type", "hour"),
        ({"hour": True}, "wrong_type", "hour"),
        ({"hour": 2**70}, "wrong_type", "hour"),
        ({"hour": None}, "null_value", "hour"),
        ({"carrier": 5}, "wrong_type", "carrier"),
        ({"colour": "red"}, "unknown_column", "colour"),
        ({"at": "yesterday"}, "wrong_type", "at"),
        ({"row": [1]}, "wrong_type", "row"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_by_column(server: Any, change: Any, code: Any, column: Any):
    """A wrong type, a null or an unknown column is a 422 that names the column."""
    response = ask(server, {"dataframe_records": [ROW, {**ROW, **change}]})
    assert response.status_code == 422
    assert response.json()["error"] == code
    assert response.json()["column"] == column
    assert column in response.json()["message"]


def test_a_missing_column_is_refused_by_name(server: Any):
    """A column that one row or every row lacks is a 422 that names it."""
    without = {"carrier": "AA", "hour": 1}
    for records in ([without], [ROW, without]):
        response = ask(server, {"dataframe_records": records})
        assert (response.status_code, response.json()["error"]) == (422, "missing_column")
        assert response.json()["column"] == "distance"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"[1, 2]",
        b'{"rows": []}',
        b'{"inputs": 5}',
        b"\xff\xfe",
        b'{"inputs": [NaN, }',
        b'{"inputs": [{"carrier": "\\ud800", "distance": NaN, "hour": 1, "row": "\\ud800"}]}',
    ],
)
def test_a_body_outside_the_protocol_is_a_400(server: Any, body: Any):
    """What is not JSON, or not of the protocol, is refused with a reason."""
    response = httpx.post(f"{server.url}/models/demo/invocations", content=body, headers=JSON)
    assert response.status_code == 400
    assert response.json()["message"]


def test_a_large_body_is_refused_unread(server: Any):
    """10 MB are a 413, with and without a declared length, and the server goes on."""
    url = f"{server.url}/models/demo/invocations"
    assert httpx.post(url, content=b" " * 10_000_000, headers=JSON).status_code == 413
    parts = (b" " * 100_000 for _ in range(100))
    assert httpx.post(url, content=parts, headers=JSON).status_code == 413
    many = {"inputs": {"carrier": ["A"] * 10_001, "distance": [1] * 10_001, "hour": [1] * 10_001}}
    assert ask(server, many).json()["error"] == "too_many_rows"
    assert ask(server, {"dataframe_records": [ROW]}).status_code == 200


def test_models_without_a_champion_answer_503(server: Any):
    """A named model without champion is a 503 with its reason, an unknown name a 404."""
    response = ask(server, {"dataframe_records": [ROW]}, name="coming")
    assert (response.status_code, response.json()["error"]) == (503, "no_champion")
    assert ask(server, {"dataframe_records": [ROW]}, name="other").status_code == 404


def test_the_server_tells_of_itself(server: Any):
    """Each page about the server answers, and the metrics count requests."""
    ask(server, {"dataframe_records": [ROW]})
    assert httpx.get(f"{server.url}/version").json()["models"] == {"demo": 1}
    health = httpx.get(f"{server.url}/health").json()
    assert health["registry"]["reachable"]
    assert "coming" in health["models"]["coming"]["problem"]
    assert (
        'regrow_requests_total{model="demo",role="champion",status="200",version="1"}'
        in httpx.get(f"{server.url}/metrics").text
    )


def test_an_unsafe_model_is_not_loaded(registry: Any, server: Any):
    """A champion that holds a type beyond the checked list is refused; the one before goes on."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    unsafe = make_pipeline(FunctionTransformer(json.dumps))
    version = registry.register(unsafe, "demo", trusted=["json.dumps"])
    registry.promote(version)
    problem = None
    try:
        for _ in range(40):
            problem = httpx.get(f"{server.url}/health").json()["models"]["demo"]["problem"]
            if problem:
                break
            time.sleep(0.1)
        assert "json.dumps" in str(problem)
        assert ask(server, {"dataframe_records": [ROW]}).json()["version"] == 1
    finally:
        registry.promote(1)


@pytest.mark.long
def test_reasons_come_with_the_predictions_and_add_up(server: Any, expected: Any):
    """With explain=true each row has its reasons, whose sum is its prediction; without it nothing of that is there."""
    content = {"dataframe_records": [ROW, {**ROW, "hour": 3}]}
    told = ask(server, content, params={"explain": "true"})
    if "explanation_problem" in told.json():  # The first ones import `shap`, on a busy machine for long.
        told = ask(server, content, params={"explain": "true"})
    assert np.array_equal(told.json()["predictions"], expected)
    for reasons, prediction in zip(told.json()["explanations"], expected, strict=True):
        total = reasons["base"] + sum(reasons["contributions"].values())
        assert set(reasons["contributions"]) == set(ROW)
        assert (reasons["scale"], reasons["method"]) == ("log-odds", "trees")
        np.testing.assert_allclose([1 / (1 + np.exp(-total)), reasons["prediction"]], prediction[1])
    assert "explanations" not in ask(server, content).json()
    assert ask(server, {"dataframe_records": [ROW] * 11}, params={"explain": "true"}).status_code == 413
    assert ask(server, content, params={"explain": "why"}).status_code == 400
