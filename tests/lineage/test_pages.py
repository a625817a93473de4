"""Reading more than one answer of Prefect holds."""

from typing import Any

import pytest
from prefect.client.schemas.sorting import FlowRunSort

from regrow.lineage.pages import PAGE, all_deployments, all_flow_runs


@pytest.mark.parametrize("count", [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
def test_all_are_read_once(count: int) -> None:
    """However many there are, each comes once, and the question and its order are asked of each page."""

    class Prefect:
        """A client that answers with numbers, a page at once."""

        def read_flow_runs(self, *, limit: int, offset: int = 0, **question: object) -> list[int]:
            assert question == {"sort": FlowRunSort.ID_DESC, "flow_run_filter": None}
            return list(range(count))[offset : offset + limit]

        def read_deployments(self, *, limit: int, offset: int = 0, **_: object) -> list[int]:
            return list(range(count))[offset : offset + limit]

    client: Any = Prefect()
    assert list(all_flow_runs(client)) == list(range(count)) == list(all_deployments(client))
