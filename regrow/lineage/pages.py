"""Read all that Prefect has, a page at a time: it gives no more at once, and six deployments of each model are many.

Pages of an order with ties overlap, and miss something: so what is asked for is ordered by what differs.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import DeploymentSort, FlowRunSort

PAGE = 200
"""The most objects that Prefect gives at once."""
T = TypeVar("T")


def all_deployments(client: SyncPrefectClient) -> Iterator[DeploymentResponse]:
    """Yield each deployment that there is."""
    return _every(client.read_deployments, sort=DeploymentSort.CREATED_DESC)


def all_flow_runs(client: SyncPrefectClient, state: StateType | None = None) -> Iterator[FlowRun]:
    """Yield each flow run that is in *state* (None: in any), in no order that means anything."""
    wanted = (
        FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[state]))) if state else None
    )
    return _every(client.read_flow_runs, sort=FlowRunSort.ID_DESC, flow_run_filter=wanted)


def flow_of(deployment: DeploymentResponse) -> str:
    """Return the name of the flow that *deployment* runs."""
    return str(deployment.entrypoint or "").rpartition(".")[2]


def _every(read: Callable[..., list[T]], **question: Any) -> Iterator[T]:
    """Yield all that *read*, a method of Prefect's client, finds for *question*."""
    found, seen = read(limit=PAGE, **question), 0
    while found:
        yield from found
        seen += len(found)
        found = read(limit=PAGE, offset=seen, **question) if len(found) == PAGE else []
