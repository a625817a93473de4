"""`regrow doctor`: a table, JSON, and an exit code."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from regrow.cli.doctor_command import conclusion
from regrow.services.doctor import Diagnosis

WELL = Diagnosis("disk", "well", "71 GB are free")
WARNED = Diagnosis("libraries", "warning", "not those of the lock", "make install")
WRONG = Diagnosis("MLflow", "wrong", "does not answer", "start it with `regrow up`")


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        ([WELL], 0, "all is well"),
        ([WELL, WARNED], 0, "nothing is wrong, 1 to look at"),
        ([WELL, WARNED, WRONG], 1, "1 wrong, 1 to look at"),
    ],
)
def test_the_exit_code_says_whether_something_is_wrong(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, found: list[Diagnosis], code: int, said: str
) -> None:
    """A cron job sees by the exit code that something is wrong; a person and a program see what, and the remedy."""
    monkeypatch.setattr("regrow.services.doctor.examine", lambda _: iter(found))
    result = run("doctor", COLUMNS="200")
    assert (result.exit_code, conclusion(found)) == (code, said), result.output
    assert said in result.output and all(each.remedy in result.output for each in found)
    asked = run("doctor", "--json")
    assert asked.exit_code == code
    told = json.loads(asked.stdout)
    assert told["well"] == (code == 0)
    assert [each["check"] for each in told["found"]] == [each.check for each in found]
