"""Write to one MLflow run by its id: data, models, metrics, pictures, a verdict."""

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, Metric, RunTag
from mlflow.entities import Param as RunParam

from regrow.base.verdict import Verdict
from regrow.data.snapshots import Snapshot
from regrow.data.windows import LabelledRows, Window
from regrow.lineage.runs import KEY, open_run, run_url
from regrow.registry.connection import twice

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class RunRecord:
    """An MLflow run that is written by its id."""

    client: MlflowClient
    run_id: str
    experiment_id: str

    @property
    def url(self) -> str | None:
        """The run's page; None if MLflow is used without a server."""
        return run_url(self.experiment_id, self.run_id)

    def log_input(self, snapshot: Snapshot | Window | LabelledRows, context: str) -> None:
        """Link *snapshot*, or what is described by its place in the log, to the run as an MLflow dataset."""
        columns = [{"name": name, "type": kind} for name, kind in snapshot.columns.items()]
        dataset = Dataset(
            name=f"{context} {snapshot.digest[:12]}",
            digest=snapshot.digest[:36],
            source_type=snapshot.source_type,
            source=snapshot.source,
            schema=json.dumps({"regrow_columns": columns})[:60_000],
            profile=json.dumps(
                {"num_rows": snapshot.rows, "sha256": snapshot.digest, **time_range(snapshot)}
            ),
        )
        link = DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
        twice(lambda: self.client.log_inputs(self.run_id, datasets=[link]))

    def log_model_input(self, model_id: str) -> None:
        """Record that the run read the logged model *model_id*."""
        twice(lambda: self.client.log_inputs(self.run_id, models=[LoggedModelInput(model_id)]))

    def log_metrics(self, metrics: dict[str, float], model_id: str | None = None, at: int = 0) -> None:
        """Log *metrics*, as those of the step *at*, on the run and, if *model_id* is given, on that model."""
        now = int(datetime.now(UTC).timestamp() * 1000)
        values = [Metric(name, value, now, at, model_id=model_id) for name, value in metrics.items()]
        self.client.log_batch(self.run_id, metrics=values)

    def log_params(self, params: dict[str, object]) -> None:
        """Log *params*; they must be the same on every attempt."""
        values = [RunParam(name, str(value)[:6000]) for name, value in params.items()]
        self.client.log_batch(self.run_id, params=values)

    def tag(self, **tags: object) -> None:
        """Tag the run; `regrow.` is put before each name."""
        self.set_tags({f"regrow.{name}": str(value) for name, value in tags.items()})

    def set_tags(self, tags: dict[str, str]) -> None:
        """Set *tags* under their full names."""
        self.client.log_batch(self.run_id, tags=[RunTag(name, value[:8000]) for name, value in tags.items()])

    def log_text(self, text: str, artifact_file: str) -> None:
        """Keep *text* as the artifact *artifact_file*."""
        self.client.log_text(self.run_id, text, artifact_file)

    def log_artifact(self, path: Path | str, folder: str | None = None) -> None:
        """Keep the file at *path* as an artifact."""
        self.client.log_artifact(self.run_id, str(path), folder)

    def log_figure(self, figure: "Figure", artifact_file: str) -> None:
        """Keep *figure* as the picture *artifact_file*."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(artifact_file).name
            figure.savefig(path, dpi=110)
            parent = str(Path(artifact_file).parent)
            self.log_artifact(path, None if parent == "." else parent)

    def verdict(self, verdict: Verdict) -> None:
        """Keep *verdict* on the run: its outcome as tags, the whole as `verdict.json`."""
        self.tag(
            **{
                "verdict": verdict.result,
                "verdict.decision": verdict.decision,
                "verdict.reason": verdict.reason,
            }
        )
        self.log_text(verdict.model_dump_json(indent=2), "verdict.json")

    def child(self, name: str, params: dict[str, object], metrics: dict[str, float]) -> None:
        """Record a nested run *name* that has ended, such as a trial of a search; a retry finds it again."""
        key = f"{self.client.get_run(self.run_id).data.tags[KEY]}/{name}"
        run_id = open_run(self.client, self.experiment_id, key, name, {"mlflow.parentRunId": self.run_id})
        record = RunRecord(self.client, run_id, self.experiment_id)
        record.log_params(params)
        record.log_metrics(metrics)
        self.client.set_terminated(record.run_id)


def time_range(snapshot: Snapshot | Window | LabelledRows) -> dict[str, str]:
    """Return the time range of *snapshot* as ISO texts; nothing if it has none."""
    if snapshot.start is None or snapshot.end is None:
        return {}
    return {"start": snapshot.start.isoformat(), "end": snapshot.end.isoformat()}
