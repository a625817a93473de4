"""How Prefect stores what a step returns: as JSON of the step's own type, which runs no code when it is read.

Prefect's own formats do: a pickle by its nature, its JSON because it imports and calls what the file names. So no
other format is read in this process, whatever a file says of itself; its step does its work again.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_type_hints

from prefect._internal.result_records import ResultRecord
from prefect.serializers import Serializer
from pydantic import Field, TypeAdapter
from pydantic_core import to_jsonable_python

R = TypeVar("R")
OURS = "regrow/json"
_steps: dict[str, Callable[..., Any]] = {}


@dataclass(frozen=True)
class Recorded(Generic[R]):
    """A step's result with the runs that made it, as Prefect stores it."""

    flow_run_id: str
    run_id: str
    value: R


class StepResults(Serializer):
    """The JSON of what *step* returns; it is read as the type of the step's annotation and nothing else."""

    type: str = Field(default=OURS, frozen=True)
    step: str

    def dumps(self, obj: Recorded[Any] | BaseException) -> bytes:
        """Write *obj*; figures that are not finite stay what they are.

        Prefect stores what ended a step, too: its words are written, and are no result of the step when read.
        """
        if isinstance(obj, BaseException):
            return json.dumps({"error": f"{type(obj).__name__}: {obj}"}).encode()
        return json.dumps(to_jsonable_python(obj, inf_nan_mode="constants")).encode()

    def loads(self, blob: bytes) -> Recorded[Any]:
        """Read *blob*; raises `ValueError` if it is no result of the step, `KeyError` if there is no such step here."""
        return _reader(self.step).validate_json(blob)


def results_of(function: Callable[..., Any]) -> StepResults:
    """Return what writes and reads the results of the step that *function* is the body of."""
    name = f"{function.__module__}.{function.__qualname__}"
    _steps[name] = function
    return StepResults(step=name)


@functools.cache
def _reader(step: str) -> TypeAdapter[Any]:
    """Return what reads the results of *step*, from the annotation of what it returns."""
    returned = get_type_hints(_steps[step]).get("return", Any)
    recorded: Any = Recorded
    return TypeAdapter(recorded[returned])


def read_ours_only() -> None:
    """Let this process read no stored result that `StepResults` has not written; Prefect takes others for absent.

    The class is not part of Prefect's documented interface; a test notices if it changes.
    """
    read = ResultRecord.deserialize.__func__

    def deserialize(
        cls: type[ResultRecord[Any]], data: bytes, backup_serializer: Serializer | None = None
    ) -> ResultRecord[Any]:
        if json.loads(data)["metadata"]["serializer"]["type"] != OURS:
            raise ValueError("a stored result that is not JSON of a step is not read: it could run code")
        return read(cls, data, backup_serializer)

    if read.__module__ != __name__:
        ResultRecord.deserialize = classmethod(deserialize)  # pyright: ignore[reportAttributeAccessIssue]


read_ours_only()
