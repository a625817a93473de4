"""Keep the parts running: one that ends or hangs is started again, after longer and longer pauses; the others go on."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from regrow.base.errors import RegrowError

State = Literal["starting", "answers", "waits", "down"]
LONGEST_PAUSE = 60.0
"""Seconds between two tries at most, while a part is still expected to come back."""
HEALTHY_SECONDS = 60.0
"""A part that has answered for so long is well: its next end is its first again."""
TRIES = 8
"""Starts in a row that fail before a part counts as down: about three minutes of pauses."""
DOWN_PAUSE = 600.0
"""Seconds between two tries of a part that is down: a full disk may have been emptied meanwhile."""
START_SECONDS = 300.0
"""How long a part that was started again may take to answer."""
PROBE_PAUSE = 10.0
"""Seconds between two questions to a part that runs."""
PROBES = 6
"""Questions in a row without an answer after which a part that runs counts as hanging.

They are counted, not timed: a machine that slept, or a supervisor that was stopped, has asked nothing meanwhile.
"""


class Part(Protocol):
    """One part of the stack, as the supervisor sees it."""

    @property
    def name(self) -> str:
        """What it is called in a message."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the parts that must answer before it can start."""
        ...

    def start(self) -> None:
        """Start it, and end first what is left of it; it need not answer yet."""
        ...

    def how_it_ended(self) -> str | None:
        """Return how it ended and the last lines of its log; None while it runs."""
        ...

    def answers(self) -> bool:
        """Return whether it does its work."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


@dataclass
class Watched:
    """A part, and what became of its starts; moments are of the supervisor's clock."""

    part: Part
    state: State = "answers"
    since: float = 0.0
    """When *state* began."""
    next_try: float = 0.0
    failures: int = 0
    """Ends and failed starts since it was last well."""
    next_probe: float = 0.0
    silent: int = 0
    """Questions in a row that it has not answered."""
    restarts: int = 0
    """How often it has come back."""
    last_end: str = ""


@dataclass
class Supervisor:
    """Watch *parts*, which all answer now; *tell* is called with each event in words.

    *changed* is called after a part was started, stopped or has changed its state.
    """

    parts: Iterable[Part]
    tell: Callable[[str], None]
    changed: Callable[[Watched], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    watched: dict[str, Watched] = field(init=False)

    def __post_init__(self) -> None:
        now = self.clock()
        self.watched = {part.name: Watched(part, since=now) for part in self.parts}

    def look(self) -> None:
        """Look at each part once: notice what has ended, start what is due, notice what answers again."""
        for one in self.watched.values():
            match one.state:
                case "answers":
                    self._look_at_one_that_answers(one)
                case "starting":
                    self._look_at_one_that_starts(one)
                case "waits" | "down":
                    self._start_if_due(one)

    def _look_at_one_that_answers(self, one: Watched) -> None:
        """Notice the end of a part, that it hangs, or that it has been well for a minute."""
        if self.clock() - one.since >= HEALTHY_SECONDS and not one.silent:
            one.failures = 0
        if (ended := one.part.how_it_ended()) is not None:
            self._failed(one, ended)
        elif self._hangs(one):
            self._end(one, f"{one.part.name} runs and has not answered {PROBES} times in a row: it was ended")

    def _hangs(self, one: Watched) -> bool:
        """Ask a part that runs, if it is time to; return whether it has been silent `PROBES` times in a row."""
        if self.clock() < one.next_probe:
            return False
        one.silent = 0 if one.part.answers() else one.silent + 1
        one.next_probe = self.clock() + PROBE_PAUSE
        return one.silent >= PROBES

    def _look_at_one_that_starts(self, one: Watched) -> None:
        """Notice that a part which was started again answers, has ended, or takes too long."""
        if (ended := one.part.how_it_ended()) is not None:
            self._failed(one, ended)
        elif one.part.answers():
            seconds = self.clock() - one.since
            one.restarts += 1
            self._enter(one, "answers")
            self.tell(f"{one.part.name} answers again after {seconds:.1f} s (restart {one.restarts})")
        elif self.clock() - one.since > START_SECONDS:
            self._end(one, f"{one.part.name} did not answer within {START_SECONDS:.0f} s")

    def _start_if_due(self, one: Watched) -> None:
        """Start a part whose pause is over and whose needs answer."""
        if self.clock() < one.next_try or not self._has_what_it_needs(one):
            return
        self._enter(one, "starting")
        try:
            one.part.start()
        except (RegrowError, OSError) as error:
            self._failed(one, f"{one.part.name} cannot be started: {error}")
        else:
            self.changed(one)

    def _has_what_it_needs(self, one: Watched) -> bool:
        """Return whether the parts that *one* needs answer; what runs elsewhere is its own matter."""
        return all(self.watched[name].state == "answers" for name in one.part.needs if name in self.watched)

    def _end(self, one: Watched, why: str) -> None:
        """End a part that runs and does not do its work; it is started again like one that has ended by itself."""
        one.part.kill()
        self._failed(one, why)

    def _failed(self, one: Watched, how: str) -> None:
        """Plan the next start of a part that has ended or could not start, and tell it."""
        one.failures += 1
        one.last_end = how.splitlines()[0].partition("; the end of ")[0]
        if one.failures < TRIES:
            pause = min(2.0 ** (one.failures - 1), LONGEST_PAUSE)
            planned = f"it is started again in {pause:.0f} s"
            self._enter(one, "waits")
        else:
            pause = DOWN_PAUSE
            planned = (
                f"{one.failures} starts in a row failed: it stays down, and is tried again every "
                f"{DOWN_PAUSE / 60:.0f} minutes; the rest goes on"
            )
            self._enter(one, "down")
        one.next_try = self.clock() + pause
        self.tell(f"{how}\n{one.part.name}: {planned}")

    def _enter(self, one: Watched, state: State) -> None:
        """Let *one* be in *state* from now on."""
        one.state, one.since, one.silent = state, self.clock(), 0
        self.changed(one)


__all__ = ["Part", "Supervisor", "Watched"]
