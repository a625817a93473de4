"""The model's YAML file as frozen, strict types."""

import hashlib
import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from regrow.errors import ProjectError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(value: object) -> object:
    """Turn `90d`, `12h`, `30m`, `45s` or `2w` into an interval; leave anything else to the validator."""
    if isinstance(value, str) and value[:-1].replace(".", "", 1).isdigit() and value[-1:] in UNITS:
        return timedelta(seconds=float(value[:-1]) * UNITS[value[-1]])
    if isinstance(value, str):
        raise ValueError("a duration is a number and a unit: 45s, 30m, 12h, 90d or 2w")  # noqa: TRY004
    return value


def format_duration(value: timedelta) -> str:
    """Write *value* in the largest unit that divides it."""
    seconds = value.total_seconds()
    unit = next(unit for unit in ("w", "d", "h", "m", "s") if seconds % UNITS[unit] == 0 or unit == "s")
    return f"{seconds / UNITS[unit]:g}{unit}"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?[smhdw]$", "examples": ["90d", "12h"]}),
]
Reference = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="`module:attribute` of a Python file beside this one",
    ),
]
ImportPath = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$",
        description="Import path of a class: `package.module.Class`",
    ),
]
Share = Annotated[float, Field(ge=0, le=1)]
Scalar = str | int | float | bool | None


class Strict(BaseModel):
    """Frozen, strict, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


# --- data ------------------------------------------------------------------------------------------


class CsvSource(Strict):
    """A CSV file; dates are parsed in the timestamp column."""

    kind: Literal["csv"]
    path: Annotated[str, Field(description="File, relative to this YAML file")]
    separator: str = ","


class ParquetSource(Strict):
    """A Parquet file or a folder of them."""

    kind: Literal["parquet"]
    path: Annotated[str, Field(description="File or folder, relative to this YAML file")]


class DeltaSource(Strict):
    """A Delta Lake table, read at its newest version."""

    kind: Literal["delta"]
    path: Annotated[str, Field(description="Table folder, relative to this YAML file, or its address")]


class SqlSource(Strict):
    """A query on any database that SQLAlchemy reaches; `:start` and `:end` bound its rows."""

    kind: Literal["sql"]
    url_env: Annotated[str, Field(description="Environment variable that holds the database's URL")]
    query: Annotated[str, Field(description="SELECT with `:start` and `:end` bound as timestamps")]


class PythonSource(Strict):
    """A callable `load(start, end) -> DataFrame` beside this file."""

    kind: Literal["python"]
    load: Reference
    fingerprint: Annotated[
        Reference | None,
        Field(
            description="Callable `() -> str` that changes when the data does; without it every run reads anew"
        ),
    ] = None


class SklearnSource(Strict):
    """A data set that ships with scikit-learn: `diabetes`, `breast_cancer`, `wine`, `iris`."""

    kind: Literal["sklearn"]
    dataset: Literal["diabetes", "breast_cancer", "wine", "iris"]


Source = Annotated[
    CsvSource | ParquetSource | DeltaSource | SqlSource | PythonSource | SklearnSource,
    Field(discriminator="kind"),
]


class Expectation(Strict):
    """One Great Expectations expectation and what a failure does."""

    expect: Annotated[
        str,
        Field(
            pattern=r"^expect_[a-z_]+$",
            description="Great Expectations name: `expect_column_values_to_be_between` …",
        ),
    ]
    arguments: Annotated[
        dict[str, Scalar | list[Scalar]], Field(description="The expectation's own arguments")
    ] = {}
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
    holdout: Annotated[float, Field(gt=0, lt=1, description="Share of the rows, the newest ones")] = 0.2


Split = Annotated[RandomSplit | StratifiedSplit | GroupSplit | TimeSplit, Field(discriminator="kind")]


class Data(Strict):
    """Where rows come from, what they mean, and what is expected of them."""

    source: Source
    target: Annotated[str, Field(description="Column to predict")]
    timestamp: Annotated[str | None, Field(description="Column with the event's time (UTC)")] = None
    id: Annotated[str | None, Field(description="Column that names a row; labels join predictions by it")] = (
        None
    )
    label_delay: Annotated[Duration, Field(description="How long after the event the target is known")] = (
        timedelta(0)
    )
    features: Annotated[
        tuple[str, ...] | None,
        Field(description="Columns the model sees; default: all but target, timestamp, id"),
    ] = None
    expectations: tuple[Expectation, ...] = ()
    quarantine_limit: Annotated[
        Share, Field(description="Greatest share of rows set aside before a batch fails")
    ] = 0.1
    split: Annotated[
        Split | None, Field(description="Default: by time where there is a timestamp, else at random")
    ] = None

    @model_validator(mode="after")
    def _consistent(self) -> "Data":
        if isinstance(self.split, TimeSplit) and self.timestamp is None:
            raise ValueError("split.kind `time` needs data.timestamp: name the column with the event's time")
        if self.timestamp is None and self.label_delay:
            raise ValueError("label_delay needs data.timestamp: name the column with the event's time")
        if self.features is not None and self.target in self.features:
            raise ValueError(
                f"features holds the target `{self.target}`: a model must not see what it predicts"
            )
        return self

    @property
    def splitting(self) -> Split:
        """The split in force."""
        return self.split or (TimeSplit(kind="time") if self.timestamp else RandomSplit(kind="random"))

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that name and date a row, where given."""
        return tuple(column for column in (self.id, self.timestamp) if column)


# --- training --------------------------------------------------------------------------------------


class RandomizedSearch(Strict):
    """scikit-learn's random search over *space*."""

    kind: Literal["randomized"]
    space: Annotated[
        dict[str, list[Scalar]], Field(description="Values to draw from, by estimator parameter")
    ]
    trials: Annotated[int, Field(ge=1)] = 10
    folds: Annotated[int, Field(ge=2)] = 3


class HalvingSearch(Strict):
    """scikit-learn's successive halving over *space*."""

    kind: Literal["halving"]
    space: Annotated[
        dict[str, list[Scalar]], Field(description="Values to draw from, by estimator parameter")
    ]
    trials: Annotated[int, Field(ge=2, description="Candidates in the first round")] = 12
    folds: Annotated[int, Field(ge=2)] = 3


Search = Annotated[RandomizedSearch | HalvingSearch, Field(discriminator="kind")]


class Training(Strict):
    """What is fitted, on how much of the past."""

    estimator: ImportPath
    parameters: Annotated[dict[str, Any], Field(description="The estimator's own parameters")] = {}
    window: Annotated[
        Duration | None, Field(description="How far back from `as_of`; default: everything")
    ] = None
    search: Search | None = None
    seed: int = 0


# --- evaluation ------------------------------------------------------------------------------------

Metric = Literal[
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
    "accuracy",
    "balanced_accuracy",
    "f1",
    "rmse",
    "mae",
    "r2",
]
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "rmse", "mae"})


class ThresholdGate(Strict):
    """The metric itself: at least, or at most."""

    kind: Literal["threshold"]
    metric: Metric
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "ThresholdGate":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give either at_least or at_most")
        return self


class BaselineGate(Strict):
    """Better than scikit-learn's Dummy by more than *margin*, on the primary metric."""

    kind: Literal["beats_baseline"]
    margin: float = 0.0


class ChampionGate(Strict):
    """Better than the champion on the same unseen rows, by a paired bootstrap."""

    kind: Literal["beats_champion"]
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    margin: Annotated[float, Field(description="Least gain of the primary metric")] = 0.0
    resamples: Annotated[int, Field(ge=100)] = 1000


class SliceGate(Strict):
    """The metric in every slice of a column that has enough rows."""

    kind: Literal["slice"]
    column: str
    metric: Metric
    at_least: float | None = None
    at_most: float | None = None
    least_rows: Annotated[int, Field(ge=1)] = 200

    @model_validator(mode="after")
    def _bounded(self) -> "SliceGate":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give either at_least or at_most")
        return self


Gate = Annotated[ThresholdGate | BaselineGate | ChampionGate | SliceGate, Field(discriminator="kind")]


class EvaluationPlan(Strict):
    """How a candidate is measured and what it must reach."""

    primary: Metric
    metrics: tuple[Metric, ...] = ()
    slices: Annotated[tuple[str, ...], Field(description="Columns whose values are measured one by one")] = ()
    gates: tuple[Gate, ...] = (BaselineGate(kind="beats_baseline"), ChampionGate(kind="beats_champion"))

    @property
    def all_metrics(self) -> tuple[Metric, ...]:
        """The primary metric, then the others, then those that gates ask for; each once."""
        gated: list[Metric] = [
            gate.metric for gate in self.gates if isinstance(gate, ThresholdGate | SliceGate)
        ]
        return tuple(dict.fromkeys((self.primary, *self.metrics, *gated)))


# --- deployment, monitoring, retraining ------------------------------------------------------------


class Deployment(Strict):
    """How a promoted version reaches the model server."""

    server: Annotated[
        bool, Field(description="Wait until the model server confirms a promotion; else move the alias only")
    ] = True
    timeout: Annotated[
        Duration, Field(description="How long the server may take before the old version returns")
    ] = timedelta(seconds=30)


class QualityRule(Strict):
    """Data quality of the served rows."""

    missing: Annotated[
        Share, Field(description="Greatest rise of a column's missing share over the reference")
    ] = 0.05
    unseen: Annotated[
        Share, Field(description="Greatest share of a text column's values not in the reference")
    ] = 0.1


class DriftRule(Strict):
    """Data drift: distance of each column's distribution from the reference."""

    method: Annotated[
        Literal["psi", "jensenshannon", "wasserstein"], Field(description="Evidently's distance")
    ] = "psi"
    threshold: Annotated[float, Field(gt=0, description="Distance from which a column counts as drifted")] = (
        0.2
    )
    share: Annotated[
        float, Field(gt=0, le=1, description="Share of drifted columns from which the rule fails")
    ] = 0.3
    max_rows: Annotated[int, Field(ge=100, description="Rows that are sampled on each side at most")] = 50_000
    least_rows: Annotated[int, Field(ge=1, description="Served rows below which nothing is concluded")] = 200


class PerformanceRule(Strict):
    """The primary metric on matured labels, against the champion's holdout figure."""

    tolerance: Annotated[float, Field(ge=0, description="Greatest loss of the primary metric")] = 0.03
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    least_rows: Annotated[int, Field(ge=1, description="Labelled rows below which nothing is concluded")] = (
        500
    )


class Monitoring(Strict):
    """What is watched, how often, over which window."""

    schedule: Annotated[str | None, Field(description="Cron, UTC; default: by hand only")] = None
    window: Duration = timedelta(days=7)
    reference: Annotated[
        Literal["training", "holdout"],
        Field(description="The champion's rows that the window is compared with"),
    ] = "training"
    quality: QualityRule = QualityRule()
    drift: DriftRule = DriftRule()
    prediction_drift: Annotated[
        float, Field(gt=0, description="Distance from which predictions have drifted")
    ] = 0.2
    performance: PerformanceRule = PerformanceRule()


class Budget(Strict):
    """The most retrainings in a period."""

    runs: Annotated[int, Field(ge=1)] = 12
    period: Duration = timedelta(days=365)


class Retraining(Strict):
    """When a model is trained again, and when that is declined."""

    on_alarm: Annotated[bool, Field(description="Let an alarm start a retraining")] = True
    schedule: Annotated[str | None, Field(description="Cron, UTC")] = None
    cooldown: Annotated[Duration, Field(description="Least time between two retrainings")] = timedelta(days=1)
    least_labels: Annotated[
        int, Field(ge=1, description="Least labelled rows that the champion was not trained on")
    ] = 500
    budget: Budget = Budget()


# --- the project -----------------------------------------------------------------------------------


class ProjectFile(Strict):
    """Everything that is particular to one model: the content of its YAML file."""

    name: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$", description="Registered model, experiment, deployments")
    ]
    description: str = ""
    data: Data
    training: Training
    evaluation: EvaluationPlan
    deployment: Deployment = Deployment()
    monitoring: Monitoring = Monitoring()
    retraining: Retraining = Retraining()


class Project(ProjectFile):
    """A project file, the path that it was read from, and the digest of it and of its Python hooks."""

    path: Path
    digest: str

    def resolve(self, reference: str) -> Any:
        """Import *reference* (`module:attribute`) from the folder of the project file."""
        from regrow.imports import import_hook

        return import_hook(self.path, reference)


def load_project(path: Path | str) -> Project:
    """Read the project file at *path*.

    Raises `ProjectError` naming file, key and remedy where the file is missing, is not YAML, or breaks a rule.
    """
    path = Path(path).absolute()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(
            f"{path}: cannot be read ({error}); give the path of a project's YAML file"
        ) from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ProjectError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ProjectError(
            f"{path}: holds no mapping; start with `name:`, `data:`, `training:`, `evaluation:`"
        )
    try:
        file = ProjectFile.model_validate_json(json.dumps(content, default=_as_text))
    except ValidationError as error:
        raise ProjectError("\n".join(_explain(path, problem) for problem in error.errors())) from error
    return Project.model_construct(**dict(file), path=path, digest=_digest(path, text, file))


def _as_text(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise ProjectError(f"{value!r}: YAML values here are text, numbers, booleans, lists and mappings")


def _explain(path: Path, problem: Any) -> str:
    """Say one validation *problem* with its file, key and remedy."""
    key = ".".join(str(part) for part in problem["loc"]) or "(top level)"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key; remove it, or see configs/schema.json for the keys that exist"
    elif problem["type"] == "missing":
        message = "is missing; add it"
    elif not isinstance(problem["input"], dict | list):
        message = f"{message} (found {problem['input']!r})"
    return f"{path}: {key}: {message}"


def _digest(path: Path, text: str, file: ProjectFile) -> str:
    """Hash the file's text and the source of the Python files that it names."""
    content = hashlib.sha256(text.encode())
    source = file.data.source
    references = [source.load, source.fingerprint] if isinstance(source, PythonSource) else []
    for module in sorted({reference.split(":")[0] for reference in references if reference}):
        hook = path.parent / (module.replace(".", "/") + ".py")
        content.update(hook.read_bytes() if hook.is_file() else module.encode())
    return content.hexdigest()


def json_schema() -> str:
    """Give the JSON schema of a project file, as `configs/schema.json` holds it."""
    schema = ProjectFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2) + "\n"
