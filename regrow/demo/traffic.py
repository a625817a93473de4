"""Send a month of flights to the model server, and see how well they were predicted."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

import httpx
import numpy as np
import orjson
import pandas as pd
from prometheus_client.parser import text_string_to_metric_families
from sklearn.metrics import roc_auc_score

from regrow.base.errors import Unreachable
from regrow.data.predictions import SHADOW, count_predictions, read_answers
from regrow.data.rows import among
from regrow.models.stored import LoadedModel
from regrow.project import Project

ROWS_PER_REQUEST, CLIENTS = 1000, 4
SHADOWED_ROWS = 3000
"""Rows sent at once that are to be scored in shadow too: the server drops shadows if more than 4,096 rows wait."""
FOLD_TIMEOUT, SHADOW_PATIENCE, PAUSE = 120.0, 5.0, 0.1


def send(url: str, project: Project, model: LoadedModel, frame: pd.DataFrame) -> None:
    """Post *frame* to the model server in large requests from four clients, each with its id and time.

    Raises `Unreachable` if the server refuses a request.
    """
    columns = [*model.features, *project.data.key_columns]
    parts = [frame.iloc[start : start + ROWS_PER_REQUEST] for start in range(0, len(frame), ROWS_PER_REQUEST)]
    with httpx.Client(base_url=url, timeout=60) as client, ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda part: _post(client, project.name, part[columns]), parts))


def send_shadowed(url: str, project: Project, model: LoadedModel, frame: pd.DataFrame) -> None:
    """Post *frame* in parts that the server's queue of shadows holds, each once the one before is scored."""
    scored = partial(count_shadows, url, project.name)
    for start in range(0, len(frame), SHADOWED_ROWS):
        part, before = frame.iloc[start : start + SHADOWED_ROWS], scored()
        send(url, project, model, part)
        wait_for_shadows(scored, before + len(part))


def send_once(
    url: str,
    project: Project,
    model: LoadedModel,
    year: pd.DataFrame,
    start: datetime,
    end: datetime,
    shadowed: bool,
) -> None:
    """Post the rows of [*start*, *end*) that were not posted yet, and wait until they are logged; *shadowed*: twice.

    Raises `Unreachable` if the server refuses a request, or the log stays behind.
    """
    frame = rows_between(project, year, start, end)
    new = not_yet_sent(project, frame, start, end)
    logged = partial(count_predictions, project.name, start, end, (SHADOW,))
    shadows = logged()
    (send_shadowed if shadowed else send)(url, project, model, new)
    wait_until_logged(project, start, end, len(frame))
    if shadowed:
        wait_for_shadows(logged, shadows + len(new))


def count_shadows(url: str, name: str) -> int:
    """Return how many rows the server has scored in shadow, or dropped, for the model *name* since its start.

    Raises `Unreachable` if it does not answer.
    """
    try:
        answer = httpx.get(f"{url}/metrics", timeout=10, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise Unreachable(f"the model server does not answer: {error}") from error
    samples = [each for family in text_string_to_metric_families(answer.text) for each in family.samples]
    mine = [each for each in samples if each.labels.get("model") == name]
    scored = [
        each.value for each in mine if each.name == "regrow_rows_total" and each.labels["role"] == SHADOW
    ]
    dropped = [each.value for each in mine if each.name == "regrow_shadow_dropped_total"]
    return int(sum(scored) + sum(dropped))


def rows_between(project: Project, year: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """Return the rows of *year* with an event time in [*start*, *end*)."""
    times = year[str(project.data.timestamp)]
    return year[(times >= start) & (times < end)].reset_index(drop=True)


def wait_for_shadows(count: Callable[[], int], rows: int) -> None:
    """Wait until *count* says that *rows* shadows are there, or no more come: the server may drop some."""
    found, grown = 0, time.monotonic()
    while found < rows and time.monotonic() < grown + SHADOW_PATIENCE:
        time.sleep(PAUSE)
        if (now := count()) > found:
            found, grown = now, time.monotonic()


def wait_until_logged(project: Project, start: datetime, end: datetime, rows: int) -> None:
    """Wait until the prediction log holds *rows* rows of [*start*, *end*)."""
    until = time.monotonic() + FOLD_TIMEOUT
    while (found := count_predictions(project.name, start, end)) < rows:
        if time.monotonic() > until:
            raise Unreachable(
                f"the prediction log holds {found} of {rows} rows of {start:%B} after {FOLD_TIMEOUT:g} s"
            )
        time.sleep(PAUSE)


def not_yet_sent(project: Project, frame: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """Return the rows of *frame* that the prediction log does not hold."""
    sent = read_answers(project.name, start, end)["entity_id"]
    return frame[~among(frame[str(project.data.id)].astype(str), sent)]


def served_scores(project: Project, frame: pd.DataFrame, start: datetime, end: datetime) -> pd.DataFrame:
    """Return the rows of *frame* whose target came to be known, with the score that was `served`."""
    logged = read_answers(project.name, start, end).drop_duplicates("entity_id", keep="last")
    positive = pd.DataFrame({"id": logged["entity_id"], "served": [row[-1] for row in logged["prediction"]]})
    known = frame[frame[project.data.target].notna()]
    return known.assign(id=known[str(project.data.id)].astype(str)).merge(positive, on="id")


def auc(target: pd.Series, score: "np.ndarray | pd.Series") -> float:
    """Return the area under the ROC curve."""
    return float(roc_auc_score(target.astype(bool), score))


def _post(client: httpx.Client, name: str, part: pd.DataFrame) -> None:
    body = orjson.dumps({"dataframe_split": _split(part)})
    try:
        answer = client.post(
            f"/models/{name}/invocations", content=body, headers={"content-type": "application/json"}
        )
    except httpx.HTTPError as error:
        raise Unreachable(f"the model server does not answer: {error}") from error
    if answer.status_code != 200:
        raise Unreachable(f"the model server answered {answer.status_code}: {answer.text[:500]}")


def _split(part: pd.DataFrame) -> dict[str, object]:
    """Write *part* as MLflow's `dataframe_split`, missing values as null."""
    texts = {
        str(column): part[column].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        for column in part
        if pd.api.types.is_datetime64_any_dtype(part[column])
    }
    plain = part.assign(**texts).astype(object)
    return {"columns": list(plain.columns), "data": plain.where(plain.notna(), None).to_numpy().tolist()}
