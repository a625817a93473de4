"""The parent run of a flow run."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from prefect import flow

from regrow.base.errors import RegrowError
from regrow.lineage import flow_run
from regrow.project import Project


def test_the_moment_of_a_run_is_plain(services: object, project: Callable[..., Project]) -> None:
    """Without `as_of` it is when Prefect expected the run to start, with it that moment; always plain, in UTC."""
    made, seen = project(), []

    @flow
    def now(as_of: datetime | None = None) -> None:
        with flow_run(made, as_of=as_of) as run:
            seen.append(run.as_of)

    now()
    now(datetime(2024, 3, 1))
    assert [type(moment) for moment in seen] == [datetime, datetime]
    assert abs((datetime.now(UTC) - seen[0]).total_seconds()) < 300
    assert seen[1] == datetime(2024, 3, 1, tzinfo=UTC)


def test_a_parent_run_needs_a_flow(services: object, project: Callable[..., Project]) -> None:
    """Outside of a flow there is nothing to record, and the error says what to do."""
    with pytest.raises(RegrowError, match="decorate the function with @flow"), flow_run(project()):
        pass
