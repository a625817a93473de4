"""The file itself: its top level, how it is read, and the errors of a broken one."""

import hashlib
import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from regrow.base.errors import ProjectError
from regrow.project.data import Data, TimeSplit
from regrow.project.deployment import Ab, Deployment
from regrow.project.evaluation import EvaluationPlan, SliceGate, ThresholdGate
from regrow.project.fields import Strict
from regrow.project.imports import hook_file, import_hook
from regrow.project.metrics import bind_metrics, is_own
from regrow.project.monitoring import Monitoring, Retraining
from regrow.project.notifications import Target, hide_passwords
from regrow.project.retention import Retention
from regrow.project.scoring import HELD_BACK, RESULT_COLUMNS, Scoring
from regrow.project.sources import LogSource, PythonSource, Source
from regrow.project.training import Training, TunedThreshold


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
    scoring: Scoring = Scoring()
    notifications: Annotated[
        tuple[Target, ...], Field(description="Who is told of what happens to the model")
    ] = ()
    retention: Retention = Retention()

    @model_validator(mode="after")
    def _consistent(self) -> "ProjectFile":
        scoring, data = self.scoring, self.data
        if scoring.window is not None and data.timestamp is None:
            raise ValueError("scoring.window needs data.timestamp: name the column with the event's time")
        own = (*RESULT_COLUMNS, HELD_BACK) if self.deployment.hold_back else RESULT_COLUMNS
        taken = {*own, data.id, data.entity}
        if clash := [name for name in scoring.columns if name in taken or name.startswith("probability_")]:
            raise ValueError(
                f"scoring.columns holds `{clash[0]}`, a column that each destination has of itself; leave it out"
            )
        named = [name for name in (data.id, data.entity) if name in own]
        if scoring.destination is not None and named:
            raise ValueError(
                f"scoring.destination has a column `{named[0]}` of its own, and the data names its rows by one; "
                "rename it in the source"
            )
        if self.training.windows and not isinstance(data.splitting, TimeSplit):
            raise ValueError("training.windows needs data.timestamp, and data.split of kind `time`")
        if self.retraining.least_units is not None and data.timestamp is None:
            raise ValueError(
                "retraining.least_units needs data.timestamp: without times no row is known to be new"
            )
        if self.monitoring.skew is not None and isinstance(data.source, LogSource):
            raise ValueError(
                "monitoring.skew: data.source is the log of what was served itself; leave it out"
            )
        if self.monitoring.skew is not None and not data.naming:
            raise ValueError(
                "monitoring.skew needs data.id, or data.entity and data.timestamp, to find a row again"
            )
        return self

    @property
    def sources(self) -> dict[str, Source]:
        """Every source that the file names, by its key."""
        named = {"data.source": self.data.source, "data.labels": self.data.labels}
        return {
            key: found for key, found in (named | {"scoring.source": self.scoring.source}).items() if found
        }

    @property
    def metrics(self) -> dict[str, str]:
        """Every metric that the file names, by its key."""
        plan, rollout = self.evaluation, self.deployment.rollout
        named: dict[str, str] = {"evaluation.primary": plan.primary}
        named |= {f"evaluation.metrics.{place}": metric for place, metric in enumerate(plan.metrics)}
        for place, gate in enumerate(plan.gates):
            if isinstance(gate, ThresholdGate | SliceGate):
                named[f"evaluation.gates.{place}.metric"] = gate.metric
        if isinstance(self.training.threshold, TunedThreshold):
            named["training.threshold.metric"] = self.training.threshold.metric
        if isinstance(rollout, Ab) and rollout.metric:
            named["deployment.rollout.metric"] = rollout.metric
        return named


class Project(ProjectFile):
    """A project file, the path that it was read from, and the digest of it and of its Python hooks."""

    path: Path
    digest: str

    def resolve(self, reference: str, key: str = "") -> Any:
        """Import *reference* (`module:attribute`), which stands under *key*, from the folder of the project file."""
        return import_hook(self.path, reference, key)


def load_project(path: Path | str) -> Project:
    """Read the project file at *path*, beside which its own metrics stand.

    Raises `ProjectError` naming file, key and remedy if the file is missing, is not YAML, or breaks a rule.
    """
    project = read_project(path)
    bind_metrics(project.path, project.metrics.values())
    return project


def read_project(path: Path | str) -> Project:
    """Read the project file at *path* as `load_project` does, but for what calls a metric of its own."""
    path = Path(path).absolute()
    if path.is_dir():
        files = ", ".join(file.name for file in sorted(path.glob("*.yaml"))[:5]) or "none is in it"
        raise ProjectError(f"{path}: is a folder; give one project file, NAME.yaml ({files})")
    text, content = _read_yaml(path)
    if not isinstance(content, dict):
        raise ProjectError(
            f"{path}: holds no mapping; start with `name:`, `data:`, `training:`, `evaluation:`"
        )
    try:
        file = ProjectFile.model_validate_json(json.dumps(content, default=_as_text))
    except ValidationError as error:
        raise ProjectError("\n".join(_explain(path, problem) for problem in error.errors())) from error
    return Project.model_construct(**dict(file), path=path, digest=_digest(path, text, file))


def load_targets(path: Path) -> tuple[Target, ...]:
    """Read the targets of the whole machine (`REGROW_NOTIFICATIONS`): a list as under `notifications:` of a project.

    Raises `ProjectError` naming file, key and remedy.
    """
    _, content = _read_yaml(path)
    try:
        text = json.dumps(content, default=_as_text)
        return TypeAdapter(tuple[Target, ...]).validate_json(text)
    except ValidationError as error:
        raise ProjectError("\n".join(_explain(path, problem) for problem in error.errors())) from error


def _read_yaml(path: Path) -> tuple[str, Any]:
    """Return the text of the file at *path*, and what it holds."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path}: cannot be read ({error}); give the path of a YAML file") from error
    try:
        return text, yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ProjectError(
            f"{path}: not valid YAML: {hide_passwords(' '.join(str(error).split()))}"
        ) from error


def _as_text(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise ProjectError(f"{value!r}: YAML values here are text, numbers, booleans, lists and mappings")


def _explain(path: Path, problem: Any) -> str:
    """Return one validation *problem* in a line, with its file, key and remedy."""
    key = ".".join(str(part) for part in problem["loc"]) or "(top level)"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key; remove it, or see configs/schema.json for the keys that exist"
    elif problem["type"] == "missing":
        message = "is missing; add it"
    elif not isinstance(problem["input"], dict | list) and "://" not in str(
        problem["input"]
    ):  # May hold a password.
        message = f"{message} (found {problem['input']!r})"
    return f"{path}: {key}: {message}"


def _digest(path: Path, text: str, file: ProjectFile) -> str:
    """Hash the file's text and the source of the Python files that it names."""
    content = hashlib.sha256(text.encode())
    for hook in sorted({hook_file(path, reference) for reference in _hooks(file)}):
        content.update(hook.read_bytes() if hook.is_file() else hook.name.encode())
    return content.hexdigest()


def _hooks(file: ProjectFile) -> list[str]:
    """List the Python hooks that *file* names, and the classes and metrics of its own."""
    sources = [each for each in file.sources.values() if isinstance(each, PythonSource)]
    named = [name for source in sources for name in (source.load, source.fingerprint) if name]
    return [
        *named,
        *file.training.own_code,
        *(metric[1:] for metric in filter(is_own, file.metrics.values())),
    ]


def json_schema() -> str:
    """Return the JSON schema of a project file, as `configs/schema.json` holds it."""
    schema = ProjectFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2) + "\n"
