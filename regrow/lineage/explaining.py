"""Why a logged prediction is what it is: its row from the log, explained by the version that answered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from regrow import registry
from regrow.base.errors import DataError, NotExplained, RegistryError
from regrow.data.predictions import feature_type, find_prediction
from regrow.data.served_rows import CHANGED
from regrow.models.contract import Contract
from regrow.models.explaining.attributions import Explainer, Reasons, require_extra
from regrow.models.stored import load_model
from regrow.registry.versions import FILES

SAME = 1e-6
"""Largest distance between the prediction that was logged and the one of today, as a share of it."""


@dataclass(frozen=True)
class ExplainedPrediction:
    """A logged prediction and its reasons."""

    prediction_id: str
    model: str
    version: int
    event_time: datetime
    values: dict[str, Any]
    """The raw columns that the version took."""
    logged: float
    """What was answered of what the reasons explain."""
    reasons: Reasons
    remark: str = ""
    """Why the reasons may be of something else than was answered; empty if they are not."""


def explain_prediction(prediction_id: str) -> ExplainedPrediction:
    """Explain the prediction *prediction_id* by the version that made it, from the row that was logged.

    Raises `RegistryError` if the log does not have it or the version's files are gone, `NotExplained` if nothing adds
    up or the extra is not installed.
    """
    require_extra()
    found = find_prediction(prediction_id)
    if found is None:
        raise RegistryError(
            f"{prediction_id}: no such prediction in the log. It may not be there yet (it comes some seconds after the "
            "answer), or not any more, if it was forgotten (`regrow forget`); see `regrow status`"
        )
    name, number = found["model"], found["version"]
    version = registry.version(name, number)
    if FILES in version.tags:
        raise RegistryError(
            f"{prediction_id}: {name} version {number} made it, whose files are gone ({version.tags[FILES]}); "
            "nothing else can explain it"
        )
    model = load_model(f"models:/{name}/{number}")
    try:
        features = model.contract.read(_row(found.get("features") or {}, model.contract))
    except DataError as error:
        raise NotExplained(
            f"{prediction_id}: the row in the log does not fit version {number}: {error}"
        ) from error
    attributions = Explainer(model).explain(features)
    reasons = attributions.reasons(0)
    logged = _answered(found["prediction"] or [], attributions.output(0))
    return ExplainedPrediction(
        prediction_id=prediction_id,
        model=name,
        version=number,
        event_time=found["event_time"],
        values={column: _plain(features[column].iloc[0]) for column in model.features},
        logged=logged,
        reasons=reasons,
        remark=_difference(logged, reasons.prediction),
    )


def _row(logged: dict[str, Any], contract: Contract) -> pd.DataFrame:
    """Return the row that was *logged* as the frame that *contract* reads: whole numbers were logged as doubles.

    Of a column whose type has changed the log holds each type under a name of its own.
    """
    columns = {}
    for name, kind in contract.types.items():
        held = feature_type(kind)
        value = logged.get(f"{name}{CHANGED}{held}")
        value = logged.get(name) if value is None else value
        if kind in {"long", "integer"} and isinstance(value, float) and value.is_integer():
            value, held = int(value), pa.int64()
        try:
            columns[name] = pa.array([value], held)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataError(f"column `{name}` is logged as {value!r}, which is no {kind}") from error
    return pa.table(columns).to_pandas()


def _answered(logged: list[float], output: int) -> float:
    """Return of the *logged* prediction the number of *output*: of two classes the last, of several its own."""
    if not logged:
        return float("nan")
    return logged[output] if len(logged) > 2 else logged[-1]


def _difference(logged: float, now: float) -> str:
    """Return how the prediction that was *logged* differs from that of *now*; empty if it does not."""
    if abs(logged - now) <= SAME * max(1.0, abs(now)):
        return ""
    return (
        f"{logged:g} was logged, and the version predicts {now:g} of the logged row today: the reasons are of the "
        "latter. A library has changed since, or the row was logged in another form"
    )


def _plain(value: Any) -> Any:
    """Return *value* as JSON has it: None for a gap, text for a moment."""
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
