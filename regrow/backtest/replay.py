"""Live through a model's past under each policy, look by look; each model is trained once, whoever asks for it."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

import numpy as np

from regrow.backtest.answers import Answers, Kept, fitting, key_of
from regrow.backtest.history import History, thin_rules
from regrow.backtest.judging import Appraised, appraise
from regrow.backtest.policies import Policy, without_costs
from regrow.backtest.training import Accept, Job, train_once
from regrow.backtest.watching import Serving, look
from regrow.base.errors import DataError
from regrow.base.fan_out import Each
from regrow.base.verdict import Verdict
from regrow.decisions.alarm import causes_of
from regrow.decisions.retraining import BREAKER, Situation, judge_retraining
from regrow.decisions.units import units_of
from regrow.project import Project

Step = Generator[datetime, Answers, "Story"]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Span:
    """From one look to the next, and the training whose model served meanwhile."""

    start: datetime
    end: datetime
    key: str


@dataclass
class Story:
    """What became of a model under one policy."""

    policy: Policy
    offset: int
    seed: int
    spans: list[Span] = field(default_factory=list)
    alarms: list[datetime] = field(default_factory=list)
    trained: list[str] = field(default_factory=list)
    """The trainings after the first one."""
    promoted: list[datetime] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Trainings that came to nothing, and why."""
    asked: datetime | None = None
    """Since when the policy waits for a person, because its challengers were refused again and again."""
    first: str = ""
    """The training of the model that it began with."""


@dataclass(frozen=True)
class Timetable:
    """The moments of one start: the first training, then each look, the last at the end."""

    offset: int
    moments: tuple[datetime, ...]

    @property
    def spans(self) -> Iterator[tuple[datetime, datetime]]:
        """The times between two looks."""
        return pairwise(self.moments)


def timetables(start: datetime, end: datetime, every: timedelta, offsets: int) -> tuple[Timetable, ...]:
    """Return *offsets* timetables with a look after *every* so long, that begin evenly within the first such time.

    Each ends with its last whole span before *end*.
    """
    tables = []
    for number in range(offsets):
        first = start + every * number / offsets
        looks = int((end - first) / every)
        if looks >= 1:
            tables.append(Timetable(number, tuple(first + every * place for place in range(looks + 1))))
    if not tables:
        raise DataError(
            f"from {start:%Y-%m-%d} to {end:%Y-%m-%d} there is no whole span of {every}: choose an earlier --start, "
            "or a shorter --every"
        )
    return tuple(tables)


def live_through(policy: Policy, project: Project, history: History, table: Timetable, seed: int) -> Step:
    """Live through *table* under *policy*: yields the moment of each training, and is sent what came of it.

    *project* is the policy's, with the rules for as many rows as the *history* has. The first model serves whatever the
    gates say of it, for a policy needs one to keep. A challenger that passes serves from then on: rollouts are not
    replayed. Raises `DataError` if nothing could be trained at first.
    """
    story = Story(policy, table.offset, seed)
    first = table.moments[0]
    answers = yield first
    if answers.facts.problem:
        raise DataError(
            f"{project.path}: nothing could be trained at {first:%Y-%m-%d}: {answers.facts.problem}; choose a later "
            "--start"
        )
    story.first = answers.key
    serving = Serving(answers, first, appraise(project, history, answers, None, 0).holdout)
    tries: list[datetime] = []
    refused: list[int] = []
    windows: list[bool] = []
    for start, now in table.spans:
        story.spans.append(Span(start, now, serving.answers.key))
        if now == table.moments[-1]:
            break
        watched = look(project, history, serving, now, policy.watches)
        alarmed = watched.failed
        windows.insert(0, alarmed)
        if alarmed:
            story.alarms.append(now)
        triggers = ["alarm"] if alarmed else []
        triggers += ["schedule"] if policy.scheduled else []
        if not triggers:
            continue
        seen = _see(project, history, serving.answers, now, tries, windows, refused)
        verdicts = [_ask(project, trigger, now, seen, watched) for trigger in triggers]
        if not any(verdict.passed for verdict in verdicts):
            if any(BREAKER in finding.rule for verdict in verdicts for finding in verdict.failures):
                story.asked = story.asked or now
            continue
        challenger = yield now
        tries.append(now)
        story.trained.append(challenger.key)
        number = len(tries)
        judged = _judge(project, history, challenger, serving.answers, number)
        if isinstance(judged, str):
            story.problems.append(f"{now:%Y-%m-%d}: {judged}")
        if isinstance(judged, str) or not judged.verdict.passed:
            refused.insert(0, number)
        else:
            serving, refused = Serving(challenger, now, judged.holdout), []
            story.promoted.append(now)
    return story


def _judge(
    project: Project, history: History, challenger: Answers, champion: Answers, number: int
) -> Appraised | str:
    """Judge *challenger*, the training *number*, beside *champion*; what cannot be judged gives why."""
    if challenger.facts.problem:
        return challenger.facts.problem
    try:
        return appraise(project, history, challenger, champion, number - 1)
    except DataError as error:
        return str(error)


def _ask(project: Project, trigger: str, now: datetime, seen: Situation, watched: Verdict) -> Verdict:
    """Ask the policy; an alarm's causes are those of what was *watched*."""
    causes = causes_of(watched) if trigger == "alarm" else ()
    return judge_retraining(project.retraining, trigger, now, seen, causes=causes)


def _see(
    project: Project,
    history: History,
    champion: Answers,
    now: datetime,
    tries: Sequence[datetime],
    windows: Sequence[bool],
    refused: Sequence[int],
) -> Situation:
    """Return what the policy is asked about at *now*."""
    newest = history.times[champion.learnt | champion.held].max()
    fresh = (history.times > newest).to_numpy(np.bool_)
    rows = history.labelled(fresh & history.between(newest, history.known_until(now)), now)
    rows = rows[rows[project.data.target].notna()]
    return Situation(
        past=tuple(tries),
        new_labels=len(rows),
        new_units=units_of(rows.reset_index(drop=True), project.data).count,
        trained=champion.as_of,
        windows=tuple(windows),
        refused=tuple(refused),
        unit=project.data.sampling_unit,
    )


@dataclass
class _Path:
    """One policy on its way through one timetable."""

    steps: Step
    project: Project
    moment: datetime


@dataclass(frozen=True)
class Workshop:
    """Where models of the past are trained: what there is already is read."""

    history: History
    kept: Kept
    accept: Accept
    each: Each
    tell: Tell = lambda _: None

    def run(
        self, policies: Sequence[Policy], tables: Sequence[Timetable], seeds: Sequence[int]
    ) -> list[Story]:
        """Live through each of *tables* under each of *policies* and *seeds*; all that wait are trained together."""
        stories: list[Story] = []
        paths = [
            self._begin(policy, table, seed) for seed in seeds for table in tables for policy in policies
        ]
        keys: dict[str, str] = {}
        while paths:
            wanted = {self._named(keys, path): path for path in paths}
            self._train({key: path for key, path in wanted.items() if not self.kept.has(key)})
            going: list[_Path] = []
            for path in paths:
                try:
                    path.moment = path.steps.send(self.kept.read(self._named(keys, path)))
                    going.append(path)
                except StopIteration as end:
                    stories.append(end.value)
            paths = going
        order = {policy.name: place for place, policy in enumerate(policies)}
        return sorted(stories, key=lambda story: (story.seed, story.offset, order[story.policy.name]))

    def _begin(self, policy: Policy, table: Timetable, seed: int) -> _Path:
        """Set out on one path, up to its first training."""
        project = thin_rules(without_costs(seeded(policy.project, seed)), self.history.share)
        steps = live_through(policy, project, self.history, table, seed)
        return _Path(steps, project, next(steps))

    def _named(self, keys: dict[str, str], path: _Path) -> str:
        """Return the key of the training that *path* waits for; *keys* are those that were made before."""
        short = f"{fitting(path.project)} {path.moment.isoformat()}"
        if short not in keys:
            name = f"{self.accept.__module__}.{getattr(self.accept, '__qualname__', '')}"
            keys[short] = key_of(path.project, self.history, path.moment, name)
        return keys[short]

    def _train(self, missing: dict[str, _Path]) -> None:
        """Train what is *missing*, and keep each as it comes."""
        work = partial(train_once, self.accept)
        jobs = (self._job(path) for path in missing.values())
        for key, path, answers in zip(
            missing, missing.values(), self.each(work, jobs) if missing else (), strict=True
        ):
            self.kept.keep(key, answers)
            self.tell(f"{path.moment:%Y-%m-%d}: trained in {answers.facts.seconds:.1f} s of processor time")

    def _job(self, path: _Path) -> Job:
        """Return what the training that *path* waits for is given."""
        known = self.history.known(path.moment, path.project.training.reach)
        asked = self.history.unknown(path.moment, known)
        return Job(path.project, path.moment, known, asked, len(self.history.rows))


def seeded(project: Project, seed: int) -> Project:
    """Return *project* with *seed* added to that of its training."""
    training = project.training.model_copy(update={"seed": project.training.seed + seed})
    return project.model_copy(update={"training": training})
