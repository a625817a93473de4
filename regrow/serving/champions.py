"""Follow aliases and state of each model: load what is new beside what answers, warm it, swap the whole route."""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from regrow.errors import RegrowError, Unreachable
from regrow.serving.loading import load
from regrow.serving.measures import Measures
from regrow.serving.routes import Route, Seen, Served, make_route, read_seen

LOG = logging.getLogger("regrow.serving")
POLL_SECONDS = 0.5
RETRY_SECONDS = 30.0
"""The longest wait before a version that could not be loaded is tried again; the first is a second."""
SETTLE_SECONDS = 5.0
"""How long a move whose alias has not followed yet is waited for."""
KEPT = 3
"""Versions that stay in memory: champion, challenger, and the one before, to which a rollback returns at once."""
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


@dataclass
class Refusal:
    """A version that could not be loaded."""

    reason: str
    attempts: int
    until: float


@dataclass
class Slot:
    """A model's place: how its traffic is split now, what is in memory, and what was refused."""

    route: Route | None = None
    problem: str | None = None
    loaded: dict[int, Served] = field(default_factory=dict)
    """Versions in memory, the one used last at the end."""
    loading: dict[int, tuple[float, "Future[Served]"]] = field(default_factory=dict)
    refused: dict[int, Refusal] = field(default_factory=dict)
    unsettled: float | None = None
    """When a move was seen that its alias does not follow yet."""

    @property
    def served(self) -> Served | None:
        """The champion that answers."""
        return None if self.route is None else self.route.champion


class Champions(threading.Thread):
    """The thread that keeps each model's champion in memory, and the challenger while a rollout is open."""

    def __init__(
        self,
        client: MlflowClient,
        names: tuple[str, ...],
        measures: Measures,
        interval: float = POLL_SECONDS,
    ) -> None:
        super().__init__(name="champions", daemon=True)
        self.names = names
        self.slots: dict[str, Slot] = {name: Slot() for name in names}
        self.error: str | None = None
        self.polled: float | None = None
        """When the registry answered last; seconds since 1970."""
        self._client = client
        self._measures = measures
        self._interval = interval
        self.settled = threading.Event()
        """Set once everything that the registry named first is loaded or refused, or the registry is away."""
        self._stop_asked = threading.Event()
        self._woken = threading.Event()
        self._seen: dict[str, Seen] | None = None
        self._asker = ThreadPoolExecutor(1, thread_name_prefix="registry")
        # Two loaders, so that a challenger's loading never delays a champion's.
        self._champions = ThreadPoolExecutor(1, thread_name_prefix="load-champion")
        self._challengers = ThreadPoolExecutor(1, thread_name_prefix="load-challenger")

    def run(self) -> None:
        """Look at the registry every interval until asked to stop; a version that is loaded answers at once."""
        due = time.monotonic()
        while not self._stop_asked.is_set():
            if time.monotonic() >= due:
                self.look()
                due = time.monotonic() + self._interval
            self.follow()
            if self.error is not None or not any(slot.loading for slot in self.slots.values()):
                self.settled.set()
            self._woken.wait(max(0.0, due - time.monotonic()))
            self._woken.clear()
        # Here, and not where the stop is asked for: this thread may be about to ask one of them.
        for pool in (self._asker, self._champions, self._challengers):
            pool.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Stop following."""
        self._stop_asked.set()
        self._woken.set()

    def ready(self) -> bool:
        """Say whether any champion answers."""
        return any(slot.route for slot in tuple(self.slots.values()))

    def single(self) -> str | None:
        """Name the model where exactly one is served."""
        return next(iter(self.slots)) if len(self.slots) == 1 else None

    def age(self) -> float:
        """Give the seconds since the registry answered last; infinite before it first did."""
        return float("inf") if self.polled is None else time.time() - self.polled

    def look(self) -> None:
        """Ask the registry once; where it does not answer, what is in memory goes on."""
        asked = self._asker.submit(self._read)
        error = asked.exception()
        if error is not None:
            if self.error is None:
                LOG.error("the registry does not answer, the loaded versions go on: %s", error)
            self.error = str(Unreachable(f"the registry does not answer: {error}"))
            self._measures.registry_up.set(0)
            return
        if self.error is not None:
            LOG.info("the registry answers again")
        self.error, self.polled = None, time.time()
        self._measures.registry_up.set(1)
        self._seen = asked.result()

    def follow(self) -> None:
        """Bring the routes in line with what the registry said last."""
        if self._seen is None:
            return
        for name in set(self.slots) - set(self._seen):
            if name in self.names:
                self.slots[name] = Slot(problem=f"no version of {name!r} has the alias 'champion' yet")
            else:
                del self.slots[name]
        for name, seen in sorted(self._seen.items()):
            self._bring(name, self.slots.setdefault(name, Slot()), seen)

    def _read(self) -> dict[str, Seen]:
        """Read aliases and state of every model that is served, in one call each."""
        models = [self._model(name) for name in self.names] if self.names else self._discover()
        read = {model.name: read_seen(model) for model in models if model is not None}
        return {name: seen for name, seen in read.items() if seen is not None}

    def _discover(self) -> Iterator[RegisteredModel]:
        """Find every registered model."""
        token: str | None = None
        while True:
            page = self._client.search_registered_models(max_results=100, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _model(self, name: str) -> RegisteredModel | None:
        """Read the registered model *name*; None where there is none yet."""
        try:
            return self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return None
            raise

    def _bring(self, name: str, slot: Slot, seen: Seen) -> None:
        """Swap the route of *name* to what *seen* asks, as far as its versions are in memory."""
        if self._is_settling(slot, seen):
            return
        champion = self._get(name, slot, seen.champion, self._champions)
        if champion is None:
            refusal = slot.refused.get(seen.champion)
            if refusal is not None:
                slot.problem = f"version {seen.champion} cannot be served: {refusal.reason}"
                self._swap(name, slot, slot.route and Route(slot.route.champion))
            return
        challenger, problem = None, seen.problem
        if seen.is_open and seen.settled is not None and seen.settled.challenger is not None:
            number = seen.settled.challenger
            challenger = self._get(name, slot, number, self._challengers)
            if challenger is None and number not in slot.refused:
                self._swap(name, slot, Route(champion))
                return
            problem = self._misfit(slot, number, champion, challenger)
        slot.problem = problem
        self._swap(name, slot, make_route(seen, champion, None if problem else challenger))

    def _is_settling(self, slot: Slot, seen: Seen) -> bool:
        """Say whether a move is under way whose alias follows in a moment; until then nothing changes."""
        route, state = slot.route, seen.state
        ahead = (
            route is not None
            and state is not None
            and seen.champion == route.champion.version
            and state.champion != seen.champion
            and state.move > (route.move or 0)
        )
        if not ahead:
            slot.unsettled = None
            return False
        slot.unsettled = slot.unsettled or time.monotonic()
        return time.monotonic() - slot.unsettled < SETTLE_SECONDS

    def _misfit(self, slot: Slot, number: int, champion: Served, challenger: Served | None) -> str | None:
        """Say why version *number* cannot share the traffic of *champion*; None where it can."""
        if challenger is None:
            return f"challenger {number} cannot be loaded: {slot.refused[number].reason}"
        if challenger.width != champion.width:
            return (
                f"challenger {number} gives predictions of shape {challenger.width}, "
                f"the champion of {champion.width}; give it a model of its own"
            )
        return None

    def _get(self, name: str, slot: Slot, version: int, pool: ThreadPoolExecutor) -> Served | None:
        """Give *version* from memory; None while it is being loaded by *pool*, or was refused a moment ago."""
        if version in slot.loaded:
            return slot.loaded[version]
        refusal = slot.refused.get(version)
        if version not in slot.loading:
            if refusal is None or time.monotonic() >= refusal.until:
                loading = pool.submit(load, name, version)
                slot.loading[version] = time.monotonic(), loading
                loading.add_done_callback(lambda _: self._woken.set())
            return None
        began, loading = slot.loading[version]
        if not loading.done():
            return None
        del slot.loading[version]
        error = loading.exception()
        if error is not None:
            self._refuse(name, slot, version, error)
            return None
        slot.refused.pop(version, None)
        self._measures.load_seconds.labels(name, str(version)).set(time.monotonic() - began)
        slot.loaded[version] = loading.result()
        return slot.loaded[version]

    def _refuse(self, name: str, slot: Slot, version: int, error: BaseException) -> None:
        """Keep that *version* could not be loaded, and when it is tried again."""
        attempts = slot.refused[version].attempts + 1 if version in slot.refused else 1
        wait = min(RETRY_SECONDS, 2.0 ** (attempts - 1))
        said = str(error) if isinstance(error, RegrowError) else f"{type(error).__name__}: {error}"
        slot.refused[version] = Refusal(said, attempts, time.monotonic() + wait)
        self._measures.load_failures.labels(name, str(version)).inc()
        LOG.error("%s: version %d cannot be loaded, next attempt in %.0f s: %s", name, version, wait, said)

    def _swap(self, name: str, slot: Slot, route: Route | None) -> None:
        """Let *route* take over, where it differs."""
        if route is None or route == slot.route:
            return
        before, slot.route = slot.route, route
        for served in (route.challenger, route.champion):
            if served is not None:
                slot.loaded.pop(served.version, None)
                slot.loaded[served.version] = served
        for version in tuple(slot.loaded)[:-KEPT]:
            del slot.loaded[version]
        self._measures.routed(name, route)
        if before is None or before.champion is not route.champion:
            self._measures.swaps.labels(name).inc()
        LOG.info(
            "%s: version %d answers%s",
            name,
            route.champion.version,
            f", version {route.contender} at {route.weight:g} (mirror {route.mirror:g})"
            if route.rollout
            else "",
        )
