"""Fit the recipe that is judged on the holdout again, on all rows that are known: that model is served."""

import hashlib
import tempfile
from pathlib import Path

from regrow.lineage import current, step
from regrow.lineage.candidates import find_again, log_candidate, take_window
from regrow.models.recipe import refit_recipe
from regrow.models.results import Candidate, Parts
from regrow.models.stored import describe_stored, load_model
from regrow.project import Project


def name_refit(candidate: Candidate) -> str:
    """Hash all that determines the second fit: it is what determined the first one."""
    return hashlib.sha256(f"{candidate.recipe}\nrefit".encode()).hexdigest()


@step(retries=2, retry_delay_seconds=[5, 30], cached=True)
def refit(project: Project, parts: Parts, candidate: Candidate) -> Candidate:
    """Fit the recipe of *candidate* on all rows of *parts*, if the file asks for it; else return *candidate*."""
    run, data = current(), project.data
    if not project.training.refit:
        run.tag(refit="not asked for: training.refit is false")
        return candidate
    recipe = name_refit(candidate)
    run.log_input(parts.known, "training")
    run.log_params(
        {"estimator": project.training.estimator, "seed": project.training.seed, "recipe": recipe[:36]}
    )
    run.tag(judged=candidate.model_id)
    if found := find_again(run, recipe):
        return found
    contract, window = load_model(candidate.uri).contract, candidate.facts.window
    frame, known = take_window(run, parts.known, parts.known.read(), window, data.timestamp)
    pipeline, features = refit_recipe(
        project, window, contract, candidate.facts.training.read(), frame, candidate.facts.chosen
    )
    facts = candidate.facts.model_copy(update={"training": known, "judged": candidate.model_id})
    with tempfile.TemporaryDirectory() as folder:
        stored = describe_stored(project, pipeline, contract.columns, features, facts, Path(folder))
        return log_candidate(run, facts, recipe, stored)
