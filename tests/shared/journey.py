"""The way of a stranger with one table: from its rows to a model that answers, is watched and is trained again."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import yaml
from public_tables import PublicTable

from regrow import registry
from regrow.data.predictions import read_answers
from regrow.models.stored import LoadedModel, load_model

Run = Callable[..., Any]
ASKED = 40
"""Rows that are sent to the server."""


@dataclass
class Journey:
    """One table on its way; each step leaves what the next one needs."""

    table: PublicTable
    configs: Path
    run: Run
    """Runs a command of `regrow`."""
    url: str
    """Where the model server answers."""
    served: list[str] = field(default_factory=list)
    """The ids of the predictions that the server gave."""

    @property
    def file(self) -> Path:
        """The project file."""
        return self.configs / f"{self.table.name}.yaml"

    def write(self, until: int) -> Any:
        """Keep the rows that there are by period *until*."""
        return self.table.write(self.table.rows(until), self.configs, self.table.name)

    def begin(self) -> None:
        """Write the table, get a project file, and let `check` look at both."""
        source = self.write(0)
        if self.table.by_init:
            self.command("init", self.configs / source["path"], "--target", self.table.target, plain=True)
        else:
            if code := self.table.code:
                (self.configs / f"{self.table.name}_code.py").write_text(code)
            self.file.write_text(yaml.safe_dump(self._content(source), allow_unicode=True, sort_keys=False))
        self.command("check", self.file, "--data", plain=True)

    def _content(self, source: dict[str, Any]) -> dict[str, Any]:
        """Return what stands in the project file for the table at *source*."""
        table = self.table
        named = {"id": table.id, "entity": table.entity, "timestamp": table.time}
        # Each model is watched by its own minute of six; what that finds starts no training beside the journey's own.
        schedule = {"schedule": f"{sum(map(ord, table.name)) % 6}-59/6 * * * *"}
        return {
            "name": table.name,
            "data": {"source": source, "target": table.target, **named, **table.data},
            "training": dict(table.training),
            "evaluation": {"primary": table.primary},
            "deployment": {"timeout": "120s"},
            "retraining": {"on_alarm": False},
            **table.rest,
            "monitoring": schedule | dict(table.rest.get("monitoring", {})),
        }

    def command(self, *words: object, plain: bool = False) -> Any:
        """Run a command, which must succeed; return what it tells programs, or with *plain* what it prints."""
        done = self.run(*words, *([] if plain else ["--json"]))
        assert done.exit_code == 0, f"regrow {' '.join(map(str, words))}: {done.output} {done.exception!r}"
        return done.stdout if plain else json.loads(done.stdout)

    def train(self) -> dict[str, Any]:
        """Train now; return the verdict."""
        return self.command("train", self.file)["verdict"]

    def model(self) -> LoadedModel:
        """Return the champion, read from the registry as a program of the team's own would."""
        found = registry.champion(self.table.name)
        assert found is not None
        return load_model(f"models:/{found.model_id}")

    def ask(self, rows: pd.DataFrame) -> np.ndarray:
        """Send *rows* to the server in one request and one by one; return its answers, which must be the same."""
        records = self.records(rows, self.model())
        together = self._invoke(records)
        alone = [answer for record in records[:5] for answer in self._invoke([record])]
        assert together[:5] == alone
        return np.array(together)

    def records(self, rows: pd.DataFrame, model: LoadedModel) -> list[dict[str, Any]]:
        """Return *rows* as a client sends them to *model*: its features, and what names the row."""
        named = (self.table.id, self.table.entity, self.table.time)
        names = dict.fromkeys([name for name in named if name is not None] + model.features)
        return records_of(rows[list(names)])

    def _invoke(self, records: list[dict[str, Any]]) -> list[Any]:
        url = f"{self.url}/models/{self.table.name}/invocations"
        answer = httpx.post(url, json={"dataframe_records": records}, timeout=60)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        self.served.extend(said["prediction_ids"])
        if "decisions" in said:
            second = [row[1] >= said["threshold"] for row in said["predictions"]]
            assert said["decisions"] == [self.model().facts.classes[int(each)] for each in second]
        return said["predictions"]

    def label(self, rows: pd.DataFrame, ids: list[str]) -> None:
        """Send the server the truth of *rows*, which it predicted under *ids*."""
        truth = records_of(rows[[self.table.target]])
        labels = [
            {"prediction_id": name, "label": each[self.table.target]}
            for name, each in zip(ids, truth, strict=True)
        ]
        answer = httpx.post(
            f"{self.url}/models/{self.table.name}/labels", json={"labels": labels}, timeout=60
        )
        assert (answer.status_code, answer.json()) == (202, {"accepted": len(labels)})

    def score(self, number: int, *, new: bool = False) -> pd.DataFrame:
        """Score period *number*, or what is *new*; return its rows with the prediction that the log holds of each."""
        since, until = self.table.periods[number : number + 2]
        bounds = ["--start", since.isoformat(), "--end", until.isoformat()]
        told = self.command("score", self.file, *([] if new else bounds))["scored"]
        assert told["rows"] >= len(self.table.period(number))
        again = self.command("score", self.file, *bounds)["scored"]
        assert (again["rows"], again["new"]) == (len(self.table.period(number)), 0)
        champion = registry.champion(self.table.name)
        assert champion is not None
        return self.logged(number, champion.number)

    def logged(self, number: int, version: int) -> pd.DataFrame:
        """Return the rows of period *number* with the `prediction` that batch scoring logged for each, once."""
        table, (since, until) = self.table, self.table.periods[number : number + 2]
        log = read_answers(table.name, since.to_pydatetime(), until.to_pydatetime())
        log = log[~log["prediction_id"].isin(self.served) & (log["version"] == version)]
        rows, keys = table.period(number), ["event_time"]
        rows["event_time"] = rows[table.time]
        for key, name in (("row_key", table.id), ("entity_id", table.entity)):
            if name is not None:
                rows[key] = rows[name].astype("str")
                keys.append(key)
        both = rows.merge(log[[*keys, "prediction"]], on=keys, validate="1:1")
        assert len(both) == len(rows) == len(log)
        return both

    def agree(
        self, model: LoadedModel, rows: pd.DataFrame, answers: np.ndarray, scored: pd.DataFrame
    ) -> None:
        """Check that a server's *answers* to *rows*, batch and *model* in this process are equal to the last bit."""
        assert tuple(model.facts.classes) == self.table.classes
        np.testing.assert_array_equal(answers, model.predict(rows[model.features]))
        batch = np.array(scored["prediction"].tolist())
        inside = model.predict(scored[model.features])
        np.testing.assert_array_equal(batch.reshape(inside.shape), inside)


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of *frame* as JSON has them: moments as text, gaps as null."""
    columns = {}
    for name in frame:
        values = frame[name]
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            values = values.map(lambda moment: moment.isoformat(), na_action="ignore")
        columns[name] = [None if pd.isna(value) else value for value in values.tolist()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
