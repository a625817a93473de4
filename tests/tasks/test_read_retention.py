"""Whose rules hold."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from regrow.project import Project, Retention
from regrow.services.projects import Found
from tasks.read_retention import rules_of


def test_a_broken_file_protects_every_model_without_one(project: Callable[..., Project]) -> None:
    """The file's rules hold for its model, the defaults for one without a file, unless a broken file may be its own."""
    made = project(name="mine", retention={"runs": "10d"})
    rules = rules_of(Found(Path(), (made,), ()), ["mine", "other"])
    assert rules == {"mine": Retention(runs=timedelta(days=10)), "other": Retention()}
    assert list(rules_of(Found(Path(), (made,), ("broken.yaml: …",)), ["mine", "other"])) == ["mine"]
