"""Batch scoring: which rows, when, by which version, and where the predictions go."""

from typing import Annotated, Literal

from pydantic import Field

from regrow.project.fields import Duration, Strict
from regrow.project.sources import TableSource

DECISION = "decision"
"""The class that a classifier decides for."""
HELD_BACK = "held_back"
"""Whether the prediction is held back, so that nobody acts on it; only if a share is (`deployment.hold_back`)."""
RESULT_COLUMNS = (
    "prediction_id", "row_key", "event_time", "model", "version", "scored_at", "prediction", DECISION,
)  # fmt: skip
"""What a destination holds of each row, beside what is carried along and a probability of each class."""


class ParquetDestination(Strict):
    """A folder of Parquet files, one for each chunk of rows."""

    kind: Literal["parquet"]
    path: Annotated[str, Field(description="Folder, relative to this YAML file; made if it is not there")]


class DeltaDestination(Strict):
    """A Delta Lake table."""

    kind: Literal["delta"]
    path: Annotated[
        str, Field(description="Table folder, relative to this YAML file; made if it is not there")
    ]


class SqlDestination(Strict):
    """A table of any database that SQLAlchemy reaches; made if it is not there."""

    kind: Literal["sql"]
    url_env: Annotated[str, Field(description="Environment variable that holds the database's URL")]
    table: Annotated[str, Field(pattern=r"^\w+(\.\w+)?$", description="`table`, or `schema.table`")]


Destination = Annotated[ParquetDestination | DeltaDestination | SqlDestination, Field(discriminator="kind")]


class Scoring(Strict):
    """Which rows are scored in batch, when, by which version, and where the predictions go."""

    source: Annotated[
        TableSource | None, Field(description="Rows without a target; default: data.source")
    ] = None
    schedule: Annotated[str | None, Field(description="Cron, UTC; default: by hand only")] = None
    window: Annotated[
        Duration | None,
        Field(description="How far back from `as_of`; default: from where the last run ended"),
    ] = None
    version: Annotated[
        str,
        Field(min_length=1, description="`champion`, that of the moment, or another alias of the registry"),
    ] = "champion"
    destination: Annotated[
        Destination | None, Field(description="Where predictions go beside the prediction log")
    ] = None
    columns: Annotated[
        tuple[str, ...], Field(description="Columns of the source that are carried along to the destination")
    ] = ()
