"""Follow the registry: ask it what should serve, load what is new beside what answers, swap the split as a whole."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mlflow import MlflowClient

from regrow.base.errors import Unreachable
from regrow.serving.following.expected import Ask, Expected, RegistryReader
from regrow.serving.following.loading import VersionsInMemory
from regrow.serving.metrics import ServerMetrics
from regrow.serving.predict.versions import ServedVersion, TrafficSplit

LOG = logging.getLogger("regrow.serving")
POLL_SECONDS = 1.0
"""Between two questions to the registry: a version of it answers within two seconds, its loading included."""
SETTLE_SECONDS = 5.0
"""How long a move is waited for whose alias has not followed yet."""


@dataclass(frozen=True)
class LoadPools:
    """The threads that load versions: two, so that a challenger's loading never delays a champion's."""

    champions: ThreadPoolExecutor
    challengers: ThreadPoolExecutor

    def shutdown(self) -> None:
        """Load nothing more, and do not wait for what is under way."""
        for pool in (self.champions, self.challengers):
            pool.shutdown(wait=False, cancel_futures=True)


class ServedModel:
    """A model that this server follows: how its traffic is split now, and why it is not as the registry says."""

    def __init__(self, name: str, versions: VersionsInMemory, metrics: ServerMetrics) -> None:
        self.split: TrafficSplit | None = None
        self.problem: str | None = None
        self.versions = versions
        self._name = name
        self._metrics = metrics
        self._unsettled: float | None = None
        """When a move was first read that its alias does not follow yet."""

    @property
    def champion(self) -> ServedVersion | None:
        """The champion that answers."""
        return None if self.split is None else self.split.champion

    def follow(self, expected: Expected, pools: LoadPools) -> None:
        """Swap the split to what is *expected*, as far as the versions are in memory."""
        if self._is_settling(expected):
            return
        champion = self.versions.get(expected.champion, pools.champions)
        if champion is None:
            self._go_on_without(expected.champion)
            return
        number, challenger, problem = expected.challenger, None, expected.problem
        if number is not None:
            challenger = self.versions.get(number, pools.challengers)
            if challenger is None and number not in self.versions.failed:
                self._swap(TrafficSplit(champion))
                return
            problem = self._misfit(number, champion, challenger)
        self.problem = problem
        self._swap(expected.split(champion, None if problem else challenger))

    def _is_settling(self, expected: Expected) -> bool:
        """Return whether a move is under way whose alias follows in a moment; until then nothing changes."""
        split, state = self.split, expected.state
        isahead = (
            split is not None
            and state is not None
            and expected.champion == split.champion.version
            and state.champion != expected.champion
            and state.move > (split.move or 0)
        )
        if not isahead:
            self._unsettled = None
            return False
        self._unsettled = self._unsettled or time.monotonic()
        return time.monotonic() - self._unsettled < SETTLE_SECONDS

    def _go_on_without(self, number: int) -> None:
        """Let the champion before answer alone if version *number* could not be loaded; else wait for it."""
        failed = self.versions.failed.get(number)
        if failed is None:
            return
        self.problem = f"version {number} cannot be served: {failed.reason}"
        if self.split is not None:
            self._swap(TrafficSplit(self.split.champion))

    def _misfit(self, number: int, champion: ServedVersion, challenger: ServedVersion | None) -> str | None:
        """Return why version *number* cannot share the traffic of *champion*, or None if it can."""
        if challenger is None:
            return f"challenger {number} cannot be loaded: {self.versions.failed[number].reason}"
        if challenger.width != champion.width:
            return (
                f"challenger {number} gives predictions of shape {challenger.width}, "
                f"the champion of {champion.width}; give it a model of its own"
            )
        return None

    def _swap(self, split: TrafficSplit) -> None:
        """Let *split* take over, if it differs."""
        if split == self.split:
            return
        before, self.split = self.split, split
        self.versions.use(split.challenger, split.champion)
        self._show(split)
        if before is None or before.champion is not split.champion:
            self._metrics.swaps.labels(self._name).inc()
        LOG.info(
            "%s: version %d answers%s",
            self._name,
            split.champion.version,
            f", version {split.contender} at {split.weight:g} (mirror {split.mirror:g})"
            if split.rollout
            else "",
        )

    def _show(self, split: TrafficSplit) -> None:
        """Set the gauges of the traffic's *split*; a challenger of 0 is none."""
        challenger = split.challenger.version if split.challenger else 0
        self._metrics.version.labels(self._name, "champion").set(split.champion.version)
        self._metrics.version.labels(self._name, "challenger").set(challenger)
        self._metrics.weight.labels(self._name).set(split.weight)
        self._metrics.mirror.labels(self._name).set(split.mirror)


class Follower(threading.Thread):
    """The thread that keeps each model's champion in memory, and the challenger while a rollout is open."""

    def __init__(
        self,
        client: MlflowClient,
        names: tuple[str, ...],
        metrics: ServerMetrics,
        interval: float = POLL_SECONDS,
        ask: Ask = lambda: None,
    ) -> None:
        super().__init__(name="follower", daemon=True)
        self.error: str | None = None
        """Why the registry did not answer when it was asked last."""
        self.polled: float | None = None
        """When the registry answered last; seconds since 1970."""
        self.settled = threading.Event()
        """Set once all that the registry named first is loaded or could not be, or if the registry is away."""
        self._reader = RegistryReader(client, names, ask)
        self._metrics = metrics
        self._interval = interval
        self._stop_asked = threading.Event()
        self._woken = threading.Event()
        self._expected: dict[str, Expected] | None = None
        self._asker = ThreadPoolExecutor(1, thread_name_prefix="registry")
        self._pools = LoadPools(
            ThreadPoolExecutor(1, thread_name_prefix="load-champion"),
            ThreadPoolExecutor(1, thread_name_prefix="load-challenger"),
        )
        self.models: dict[str, ServedModel] = {name: self._new_model(name) for name in names}

    def run(self) -> None:
        """Ask the registry every interval until asked to stop; a version answers as soon as it is loaded."""
        due = time.monotonic()
        while not self._stop_asked.is_set():
            if time.monotonic() >= due:
                self.poll()
                due = time.monotonic() + self._interval
            self.follow()
            if self.error is not None or not any(model.versions.is_loading for model in self.models.values()):
                self.settled.set()
            self._woken.wait(max(0.0, due - time.monotonic()))
            self._woken.clear()
        # Only this thread may close the pools: it may be about to use one when it is asked to stop.
        self._asker.shutdown(wait=False, cancel_futures=True)
        self._pools.shutdown()

    def stop(self) -> None:
        """Stop following."""
        self._stop_asked.set()
        self._woken.set()

    def ready(self) -> bool:
        """Return whether any champion answers."""
        return any(model.split for model in tuple(self.models.values()))

    def only_model(self) -> str | None:
        """Return the name of the model that is served if there is exactly one."""
        return next(iter(self.models)) if len(self.models) == 1 else None

    def age(self) -> float:
        """Return the seconds since the registry answered last; infinite before it first did."""
        return float("inf") if self.polled is None else time.time() - self.polled

    def poll(self) -> None:
        """Ask the registry once; if it does not answer, what is in memory goes on."""
        asked = self._asker.submit(self._reader.read)
        error = asked.exception()
        if error is not None:
            if self.error is None:
                LOG.error("the registry does not answer, the loaded versions go on: %s", error)
            self.error = str(Unreachable(f"the registry does not answer: {error}"))
            self._metrics.registry_up.set(0)
            return
        if self.error is not None:
            LOG.info("the registry answers again")
        self.error, self.polled = None, time.time()
        self._metrics.registry_up.set(1)
        self._expected = asked.result()

    def follow(self) -> None:
        """Bring every model in line with what the registry said last."""
        if self._expected is None:
            return
        for name in set(self.models) - set(self._expected):
            if name in self._reader.names:
                self.models[name] = self._new_model(name)
                self.models[name].problem = f"no version of {name!r} has the alias 'champion' yet"
            else:
                del self.models[name]
        for name, expected in sorted(self._expected.items()):
            if name not in self.models:
                self.models[name] = self._new_model(name)
            self.models[name].follow(expected, self._pools)

    def _new_model(self, name: str) -> ServedModel:
        """Return the model *name* with nothing loaded."""
        return ServedModel(name, VersionsInMemory(name, self._metrics, self._woken.set), self._metrics)
