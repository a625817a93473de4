"""One registered model in memory, behind as much of MLflow's client as the writing of moves needs."""

from types import SimpleNamespace

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from regrow.registry.ledger import LEDGER_RUN


class InMemory:
    """A client of a model `m` with the moves of one run; `written` counts the writes."""

    def __init__(self, aliases: dict[str, int] | None = None, versions: int = 9) -> None:
        self.aliases = dict(aliases or {})
        self.tags = {LEDGER_RUN: "run"}
        self.params: dict[str, str] = {}
        self.run_tags: dict[str, str] = {}
        self.statuses: dict[int, str] = {}
        self.versions = set(range(1, versions + 1))
        self.files: dict[str, str] = {}
        self.written = 0

    def get_registered_model(self, _: str) -> SimpleNamespace:
        return SimpleNamespace(aliases=dict(self.aliases), tags=dict(self.tags))

    def get_run(self, _: str) -> SimpleNamespace:
        return SimpleNamespace(data=SimpleNamespace(params=dict(self.params), tags=dict(self.run_tags)))

    def log_param(self, _: str, key: str, value: str) -> None:
        self.written += 1
        if self.params.setdefault(key, value) != value:
            raise MlflowException("a param never changes")

    def log_text(self, _: str, text: str, name: str) -> None:
        self.written += 1
        self.files[name] = text

    def set_tag(self, _: str, key: str, value: str) -> None:
        self.written += 1
        self.run_tags[key] = value

    def delete_tag(self, _: str, key: str) -> None:
        self.written += 1
        self._find(key in self.run_tags)
        del self.run_tags[key]

    def set_registered_model_tag(self, _: str, key: str, value: str) -> None:
        self.written += 1
        self.tags[key] = value

    def set_registered_model_alias(self, _: str, alias: str, number: str) -> None:
        self.written += 1
        self._find(int(number) in self.versions)
        self.aliases[alias] = int(number)

    def delete_registered_model_alias(self, _: str, alias: str) -> None:
        self.written += 1
        self.aliases.pop(alias, None)

    def set_model_version_tag(self, _: str, number: str, __: str, status: str) -> None:
        self.written += 1
        self._find(int(number) in self.versions)
        self.statuses[int(number)] = status

    def _find(self, there: bool) -> None:
        if not there:
            raise MlflowException("not there", RESOURCE_DOES_NOT_EXIST)
