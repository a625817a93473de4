"""Where rows come from, what they mean, and what is expected of them."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from regrow.project.fields import Duration, Share, Strict
from regrow.project.sources import TIME_FORMAT, Source, TableSource


class Expectation(Strict):
    """One Great Expectations expectation and what a failure does."""

    expect: Annotated[
        str,
        Field(
            pattern=r"^expect_[a-z_]+$",
            description="Great Expectations name: `expect_column_values_to_be_between` …",
        ),
    ]
    arguments: Annotated[dict[str, JsonValue], Field(description="The expectation's own arguments")] = {}
    on_failure: Annotated[
        Literal["reject", "quarantine"], Field(description="Reject the batch, or set its failing rows aside")
    ] = "reject"


class RandomSplit(Strict):
    """Rows drawn at random."""

    kind: Literal["random"]
    holdout: Annotated[float, Field(gt=0, lt=1, description="Share of the rows that is held out")] = 0.2


class StratifiedSplit(Strict):
    """Rows drawn at random with the target's classes in the same shares."""

    kind: Literal["stratified"]
    holdout: Annotated[float, Field(gt=0, lt=1)] = 0.2


class GroupSplit(Strict):
    """Whole groups (a customer, a machine) on one side."""

    kind: Literal["group"]
    column: Annotated[str, Field(description="Column that names the group")]
    holdout: Annotated[float, Field(gt=0, lt=1)] = 0.2


class TimeSplit(Strict):
    """The last part of the window is held out."""

    kind: Literal["time"]
    holdout: Annotated[
        Annotated[float, Field(gt=0, lt=1)] | Duration,
        Field(description="Share of the rows, the newest ones, or how far back from the newest: `18d`"),
    ] = 0.2


class Leakage(Strict):
    """What counts as giving the target away; it is always looked for, and refuses a batch only if it should."""

    refuse: Annotated[bool, Field(description="Refuse the batch if a leak is found; else record it")] = False
    alone: Annotated[
        float,
        Field(
            gt=0.5,
            le=1,
            description="ROC AUC, or R² of ranks, from which one column predicts the target nearly alone",
        ),
    ] = 0.995
    shared: Annotated[
        Share, Field(description="Greatest share of held-out rows that are equal to a training row")
    ] = 0.01
    allow: Annotated[
        tuple[str, ...], Field(description="Columns that were looked at and give nothing away")
    ] = ()


Unit = Literal["row", "entity", "request", "hour", "day", "week"]
"""What counts as one independent observation in an interval or a test."""
PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
"""The units that are periods, and how long each is."""

Split = Annotated[RandomSplit | StratifiedSplit | GroupSplit | TimeSplit, Field(discriminator="kind")]


def named_alike(columns: Iterable[str]) -> tuple[str, str] | None:
    """Return two of *columns* whose names differ in upper and lower case alone; Delta Lake takes them for one."""
    seen: dict[str, str] = {}
    for column in columns:
        if column.lower() in seen:
            return seen[column.lower()], column
        seen[column.lower()] = column
    return None


class Data(Strict):
    """Where rows come from, what they mean, and what is expected of them."""

    source: Source
    target: Annotated[str, Field(description="Column to predict")]
    timestamp: Annotated[str | None, Field(description="Column with the event's time (UTC)")] = None
    timestamp_format: Annotated[
        str | None,
        Field(
            pattern=TIME_FORMAT,
            description="How that column writes a time that is text or a number: `%m/%d/%Y %H:%M`, `epoch_s`, "
            "`epoch_ms`; default: ISO 8601",
        ),
    ] = None
    id: Annotated[
        str | None,
        Field(description="Column that names a row, unique; default: entity and timestamp, else the content"),
    ] = None
    entity: Annotated[
        str | None,
        Field(description="Column that says whom a row is about (a customer, a machine); it may recur"),
    ] = None
    unit: Annotated[
        Unit | None,
        Field(
            description="What counts as one independent observation; default: day if there is a timestamp, else entity "
            "if there is one, else row"
        ),
    ] = None
    label_delay: Annotated[Duration, Field(description="How long after the event the target is known")] = (
        timedelta(0)
    )
    labels: Annotated[
        TableSource | None,
        Field(
            description="Where labels come from later: columns `label`, `labelled_at`, and `prediction_id`, the "
            "one of data.id, or those of data.entity and data.timestamp; default: the target in data.source, "
            "label_delay after the event"
        ),
    ] = None
    label_tolerance: Annotated[
        Duration,
        Field(
            description="How long before a label's event time the row of its entity may lie; the nearest one is meant; "
            "default: 0s, the row of that very moment"
        ),
    ] = timedelta(0)
    features: Annotated[
        tuple[str, ...] | None,
        Field(description="Columns the model sees; default: all but target, timestamp, id, entity"),
    ] = None
    expectations: tuple[Expectation, ...] = ()
    quarantine_limit: Annotated[
        Share, Field(description="Greatest share of rows set aside before a batch fails")
    ] = 0.1
    leakage: Leakage = Leakage()
    split: Annotated[
        Split | None,
        Field(description="Default: by time if there is a timestamp, else by entity, else at random"),
    ] = None

    @model_validator(mode="after")
    def _consistent(self) -> "Data":
        if isinstance(self.split, TimeSplit) and self.timestamp is None:
            raise ValueError("split.kind `time` needs data.timestamp: name the column with the event's time")
        if self.timestamp is None and self.timestamp_format is not None:
            raise ValueError("timestamp_format needs data.timestamp: name the column with the event's time")
        if self.timestamp is None and self.label_delay:
            raise ValueError("label_delay needs data.timestamp: name the column with the event's time")
        if self.unit in PERIODS and self.timestamp is None:
            raise ValueError(
                f"unit `{self.unit}` needs data.timestamp: name the column with the event's time"
            )
        if self.unit == "entity" and self.entity is None:
            raise ValueError("unit `entity` needs data.entity: name the column that says whom a row is about")
        if self.label_tolerance and self.entity is None:
            raise ValueError(
                "label_tolerance needs data.entity: a label finds its row by entity and event time"
            )
        if self.entity is not None and self.entity in {self.id, self.timestamp, self.target}:
            raise ValueError(
                f"entity `{self.entity}` is also the target, the timestamp or the id: data.entity is a column of its "
                "own that may recur, data.id one that never does; leave one out"
            )
        if alike := named_alike(self.features or ()):
            raise ValueError(
                f"features holds `{alike[0]}` and `{alike[1]}`: no prediction log tells such names apart; "
                "rename one in the source"
            )
        if self.features is not None and self.target in self.features:
            raise ValueError(
                f"features holds the target `{self.target}`: a model must not see what it predicts"
            )
        return self

    @property
    def splitting(self) -> Split:
        """The split in force."""
        if self.split is not None:
            return self.split
        if self.timestamp is not None:
            return TimeSplit(kind="time")
        return GroupSplit(kind="group", column=self.entity) if self.entity else RandomSplit(kind="random")

    @property
    def sampling_unit(self) -> Unit:
        """What counts as one independent observation."""
        if self.unit is not None:
            return self.unit
        if self.timestamp is not None:
            return "day"
        return "row" if self.entity is None else "entity"

    @property
    def naming(self) -> tuple[str, ...]:
        """The columns that name a row by themselves: the id, or the entity and the time; none: its content names it."""
        if self.id is not None:
            return (self.id,)
        return () if self.entity is None or self.timestamp is None else (self.entity, self.timestamp)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that name and date a row, if the file names them."""
        return tuple(column for column in (self.id, self.entity, self.timestamp) if column)
