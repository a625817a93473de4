"""Register a candidate as a model version, with its card."""

import json

from regrow import lineage, registry
from regrow.base import provenance
from regrow.base.verdict import Finding
from regrow.data.snapshots import Snapshot
from regrow.lineage import announce, current, step
from regrow.models.fast_path.proof import TAG as FAST_PATH
from regrow.models.fast_path.proof import describe
from regrow.models.results import Candidate, Evaluation, ModelFacts
from regrow.models.stored import load_model
from regrow.notifications.event import numbers
from regrow.project import Project
from regrow.registry import Version


def write_card(project: Project, evaluation: Evaluation) -> str:
    """Write the model card: what it predicts, from what, how well, on which rows."""
    facts = evaluation.candidate.facts
    figures = [
        f"| {name} | {value:.4f} | {evaluation.baseline.get(name, float('nan')):.4f} | {_champion(evaluation, name)} |"
        for name, value in evaluation.metrics.items()
    ]
    return "\n".join(
        [
            f"# {project.name}",
            project.description or "No description in the project file.",
            "",
            f"- **Predicts** `{project.data.target}` ({facts.kind})",
            f"- **Estimator** `{project.training.estimator}`, seed {project.training.seed}",
            *(
                []
                if facts.threshold is None
                else [f"- **Decides** for {facts.classes[1]!r} from {facts.threshold:.4f}"]
            ),
            f"- **Trained on** {_rows(facts.training)}",
            f"- **Judged on** {_rows(facts.holdout)}, {evaluation.rows} rows unseen by every model compared",
            *([f"- **The figures** are those of its recipe: {facts.figures_of}"] if facts.judged else []),
            *([f"- **Compared**: {evaluation.champion_remark}"] if evaluation.champion_remark else []),
            f"- **Label delay** {project.data.label_delay}",
            *_made_of(facts),
            "",
            "| metric | this version | baseline | champion then |",
            "|---|---|---|---|",
            *figures,
        ]
    )


def version_tags(
    project: Project, evaluation: Evaluation, trigger: str, as_of: str, flow_run_id: str
) -> dict[str, str]:
    """Return what a version was made from, as tags of the version."""
    facts = evaluation.candidate.facts
    tags = {
        "training": facts.training.digest,
        "holdout": facts.holdout.digest,
        **({"judged": facts.judged} if facts.judged else {}),
        "project": project.digest,
        "lock": provenance.lock_digest(),
        "seed": str(project.training.seed),
        "trigger": trigger,
        "as_of": as_of,
        "flow_run": flow_run_id,
        "metrics": json.dumps(evaluation.metrics),
        "metrics_rows": str(evaluation.rows),
        "metrics_errors": json.dumps(evaluation.errors),
        **provenance.git_state(project.path.parent),
    }
    return {f"regrow.{name}": value for name, value in tags.items()}


def describe_fast_path(candidate: Candidate) -> str:
    """Return what the fast path may claim of *candidate*: it must give the pipeline's own bits on the whole holdout."""
    model = load_model(candidate.uri)
    return describe(model, candidate.facts.holdout.read(model.features))


def find_version(project: Project, candidate: Candidate) -> Version | None:
    """Find the version that *candidate* has already: what is said of it is not proven again."""
    client = registry.connect()
    with registry.reaching(f"versions of {project.name}"):
        return registry.find_registered(client, project.name, candidate)


def told_again(version: Version, flow_run_id: str) -> tuple[Finding, ...]:
    """Return, if an earlier flow run than *flow_run_id* has made *version*, that nothing was trained anew."""
    if version.tags.get("regrow.flow_run") == flow_run_id:
        return ()
    told = (
        f"rows, recipe, code and libraries are those of version {version.number}, which was trained as of "
        f"{version.tags.get('regrow.as_of', 'an unknown moment')[:16]}: it was judged again, not trained"
    )
    return (Finding(rule="nothing has changed", result="pass", detail=told),)


def _rows(snapshot: Snapshot) -> str:
    """Describe *snapshot* in a line."""
    times = lineage.time_range(snapshot)
    span = f", {times['start'][:10]} to {times['end'][:10]}" if times else ""
    return f"{snapshot.rows} rows{span} (SHA-256 `{snapshot.digest[:12]}`)"


def _made_of(facts: ModelFacts) -> list[str]:
    """Name what the model holds beyond the checked list of types, and the libraries that it was made with."""
    told = {
        "Own code**, stored with the model:": [f"`{name}`" for name in facts.code],
        "Trusted by the project file** beyond the checked list:": [f"`{name}`" for name in facts.trust],
        "Made with**": [f"{name} {version}" for name, version in facts.libraries.items()],
    }
    return [f"- **{what} {', '.join(names)}" for what, names in told.items() if names]


def _champion(evaluation: Evaluation, metric: str) -> str:
    """Return the champion's *metric* on the same rows, or why the card has none."""
    if evaluation.champion:
        return f"{evaluation.champion[metric]:.4f} (v{evaluation.champion_version})"
    return (
        "none yet" if evaluation.champion_version is None else f"v{evaluation.champion_version}: not measured"
    )


@step(retries=2, retry_delay_seconds=[5, 30])
def register(project: Project, evaluation: Evaluation, trigger: str, as_of: str, flow_run_id: str) -> Version:
    """Register the candidate; however often it is tried, one candidate has one version."""
    run = current()
    version = find_version(project, evaluation.candidate)
    if version is None:
        tags = version_tags(project, evaluation, trigger, as_of, flow_run_id)
        tags[FAST_PATH] = describe_fast_path(evaluation.candidate)
        version = registry.register(project.name, evaluation.candidate, write_card(project, evaluation), tags)
    run.log_model_input(version.model_id)
    run.tag(version=version.number)
    if version.tags.get("regrow.flow_run") == flow_run_id:  # An earlier run made it otherwise, and told it.
        figures = numbers(evaluation.metrics)
        announce(
            project, "version.registered", "to be judged", about=f"version {version.number}", figures=figures
        )
    return version
