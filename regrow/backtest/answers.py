"""What a model that was trained at a moment answers to the rows of the past and of its future; kept on the disk."""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from regrow.backtest.history import History
from regrow.base import provenance
from regrow.data.files import state_errors, write_whole
from regrow.models.metrics import Floats, Label
from regrow.models.results import ProblemType
from regrow.models.stored import own_files
from regrow.project import Project
from regrow.project.imports import code_name

FACTS = b"regrow"
IN_MEMORY = 48
"""Models whose answers are held in memory: a few megabytes each."""


@dataclass(frozen=True)
class Facts:
    """What is known of a training beside the rows."""

    as_of: str
    kind: ProblemType = "regression"
    classes: tuple[Label, ...] = ()
    threshold: float | None = None
    window: str = ""
    """The window that was chosen of several."""
    refitted: bool = False
    seconds: float = 0.0
    """Processor time of all fits."""
    problem: str = ""
    """Why nothing came of it, if nothing did."""


@dataclass(frozen=True)
class Answers:
    """What a training made: of each row of the history, numbered as there, its part and the models' predictions."""

    facts: Facts
    trained: NDArray[np.bool_]
    """The rows that the judged model learnt."""
    held: NDArray[np.bool_]
    """The rows that it was judged on."""
    learnt: NDArray[np.bool_]
    """The rows that the served model learnt."""
    judged: Floats
    """What the judged model predicts, in the shape of `regrow.models.results`; NaN for rows that it was not asked."""
    served: Floats
    key: str = field(default="", compare=False)

    @property
    def as_of(self) -> datetime:
        """When it was trained."""
        return datetime.fromisoformat(self.facts.as_of)


def fitting(project: Project) -> str:
    """Return what *project* says of the rows and the fit of a training, which is not when it is done or how judged."""
    data = project.data.model_dump_json(exclude={"unit"})
    return data + project.training.model_dump_json(exclude={"schedule"})


def key_of(project: Project, history: History, as_of: datetime, accept: str) -> str:
    """Hash all that determines a training of *project* at *as_of* and what it is asked; *accept* names the checks."""
    known = history.known(as_of, project.training.reach)
    asked = history.unknown(as_of, known)
    rows = [history.digest(known), history.digest(asked), str(len(history.rows))]
    own = [code_name(file) for file in own_files(project)]
    ingredients = [
        project.name, fitting(project), project.evaluation.primary,
        as_of.isoformat(), accept, *rows, *own, provenance.code_digest(), provenance.environment_digest(),
    ]  # fmt: skip
    return hashlib.sha256("\n".join(ingredients).encode()).hexdigest()


class Kept:
    """The folder of a model's answers: what was trained once is read again, by every policy and every later run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read: Callable[[str], Answers] = lru_cache(maxsize=IN_MEMORY)(self._read)

    def has(self, key: str) -> bool:
        """Return whether the training *key* is there, whole."""
        return self._path(key).exists()

    def keep(self, key: str, answers: Answers) -> None:
        """Write *answers* so that a killed backtest finds them whole or not at all."""
        table = pa.table(
            {
                **{name: getattr(answers, name) for name in ("trained", "held", "learnt")},
                **_columns("judged", answers.judged),
                **_columns("served", answers.served),
            }
        )
        table = table.replace_schema_metadata({FACTS: json.dumps(asdict(answers.facts)).encode()})
        stream = io.BytesIO()
        pq.write_table(table, stream, compression="zstd")
        with state_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._path(key), stream.getvalue())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key[:40]}.parquet"

    def _read(self, key: str) -> Answers:
        table = pq.read_table(self._path(key))
        told: dict[str, Any] = json.loads((table.schema.metadata or {})[FACTS])
        told["classes"] = tuple(told["classes"])
        facts = Facts(**told)
        trained, held, learnt = (table[name].to_numpy() for name in ("trained", "held", "learnt"))
        judged, served = (_predictions(table, name, facts) for name in ("judged", "served"))
        return Answers(facts, trained, held, learnt, judged, served, key)


def _columns(name: str, prediction: Floats) -> dict[str, Floats]:
    """Return *prediction* as columns of a table."""
    if prediction.ndim == 1:
        return {f"{name}.0": prediction}
    return {f"{name}.{place}": prediction[:, place] for place in range(prediction.shape[1])}


def _predictions(table: pa.Table, name: str, facts: Facts) -> Floats:
    """Undo `_columns`."""
    columns = [table[f"{name}.{place}"].to_numpy() for place in range(max(len(facts.classes), 1))]
    return np.column_stack(columns) if facts.classes else columns[0]
