"""Which flow runs count as done or at work."""

import pytest

from regrow.base import provenance
from regrow.lineage import FLOW_RUN, PROCESS, sweeping
from regrow.lineage.runs import SUSPENDED

HERE = provenance.process_identity()
DEAD = f"{HERE.split(':')[0]}:999999:1.00"
ELSEWHERE = "another-host:1:1.00"
NAMES = {HERE: "here", DEAD: "dead", ELSEWHERE: "elsewhere"}


@pytest.mark.parametrize(
    ("status", "process", "is_open", "counts"),
    [
        ("FINISHED", DEAD, False, True),
        ("FAILED", HERE, True, False),
        ("KILLED", HERE, True, False),
        ("RUNNING", HERE, True, True),
        ("RUNNING", ELSEWHERE, True, True),
        ("RUNNING", ELSEWHERE, False, False),
        ("RUNNING", DEAD, True, False),
        (SUSPENDED, DEAD, True, True),
        (SUSPENDED, DEAD, False, False),
    ],
    ids=lambda value: NAMES.get(value, str(value)),
)
def test_what_made_something_or_still_may_counts(
    status: str, process: str, is_open: bool, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An end in MLflow or in Prefect, and a process that is gone, are believed; a run that waits needs no process."""
    monkeypatch.setattr(sweeping, "_is_open", lambda _: is_open)
    assert sweeping._counts(status, {PROCESS: process, FLOW_RUN: "a"}) == counts
