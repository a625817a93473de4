"""How Prefect stores what a step returns."""

import json
import math
from importlib import import_module
from pathlib import Path

import pytest
from prefect._internal.result_records import ResultRecord
from prefect.results import ResultRecordMetadata
from prefect.serializers import JSONSerializer, PickleSerializer

from regrow.base.errors import SnapshotError
from regrow.base.verdict import Finding
from regrow.lineage import stored_results
from regrow.lineage.stored_results import Recorded, results_of
from regrow.models.results import Measurement, ModelFacts

TASKS = Path(__file__).parents[2].joinpath("tasks")
STEPS = sorted(path.stem for path in TASKS.glob("[a-z]*.py") if "@step" in path.read_text())
"""What `tidy` does belongs to no model: its tasks are no steps, and their results are not stored."""


def measured() -> tuple[Measurement, ...] | None:
    """Return nothing: only the annotation counts."""


def recorded(value: object) -> ResultRecord:
    return ResultRecord(result=value, metadata=ResultRecordMetadata(serializer=results_of(measured)))


def test_a_result_is_read_back_as_it_was() -> None:
    """What a step returned comes back equal and of its own type, figures that are not finite included."""
    finding = Finding(rule="drift", passed=None, detail="too few", rows=3)
    value = Measurement(
        subject="drift", findings=(finding,), figures={"psi": math.inf, "size": 0.1}, url=None
    )
    record = recorded(Recorded("flow run", "run", (value,)))
    assert ResultRecord.deserialize(record.serialize()).result == record.result
    nothing = recorded(Recorded("flow run", "run", None))
    assert ResultRecord.deserialize(nothing.serialize()).result == nothing.result


def test_what_ended_a_step_is_kept_in_words() -> None:
    """Prefect can store the error of a step, which is read by people and is no result of the step."""
    kept = results_of(measured).dumps(SnapshotError("rows have come"))
    assert json.loads(kept) == {"error": "SnapshotError: rows have come"}
    with pytest.raises(ValueError, match="flow_run_id"):
        results_of(measured).loads(kept)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_has_a_type_that_can_be_read(step: str) -> None:
    """The results of each step have a type of which Prefect's stored JSON can be read."""
    function = getattr(import_module(f"tasks.{step}"), step).function
    reader = stored_results._reader(results_of(function).step)
    assert "Any" not in repr(reader._type)


def test_classes_keep_their_types() -> None:
    """Class labels that look alike in other types stay apart: text, numbers and truth values."""
    labels = ("1", 1, 1.5, True)
    dumped = json.dumps(stored_results.to_jsonable_python({"classes": labels}))
    field = ModelFacts.model_fields["classes"]
    read = stored_results.TypeAdapter(field.annotation).validate_python(json.loads(dumped)["classes"])
    assert [(type(each), each) for each in read] == [(type(each), each) for each in labels]


@pytest.mark.parametrize(
    "serializer",
    [PickleSerializer(), JSONSerializer(), JSONSerializer(object_decoder="subprocess.Popen")],
    ids=["pickle", "Prefect's JSON", "JSON with a decoder of its own"],
)
def test_a_result_that_could_run_code_is_not_read(serializer: object) -> None:
    """A stored file that names another format, of a stranger or of an earlier version, is not even looked at."""
    blob = ResultRecord(result=[1], metadata=ResultRecordMetadata(serializer=serializer)).serialize()
    with pytest.raises(ValueError, match="could run code"):
        ResultRecord.deserialize(blob)


def test_an_attack_by_a_stored_result_runs_nothing(tmp_path: Path) -> None:
    """Prefect's JSON would call what a file names; here it is refused before anything is imported."""
    mark = tmp_path / "mark"
    attack = {"__class__": "subprocess.getoutput", "data": {"cmd": f"touch {mark}"}}
    metadata = json.loads(ResultRecordMetadata(serializer=JSONSerializer()).dump_bytes())
    blob = json.dumps({"metadata": metadata, "result": json.dumps(attack)}).encode()
    with pytest.raises(ValueError, match="could run code"):
        ResultRecord.deserialize(blob)
    assert not mark.exists()
