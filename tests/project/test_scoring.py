"""The section `scoring` of a project file."""

from collections.abc import Callable

import pytest

from regrow.base.errors import ProjectError
from regrow.project import Project
from regrow.project.schedules import schedules_of

Make = Callable[..., Project]
SOURCE = {"kind": "csv", "path": "rows.csv"}


def test_scoring_needs_no_line(project: Make) -> None:
    """Without a section the champion scores what is new, by hand, into the prediction log alone."""
    scoring = project().scoring
    assert (scoring.version, scoring.schedule, scoring.destination, scoring.window) == (
        "champion",
        None,
        None,
        None,
    )


def test_training_and_scoring_have_schedules(project: Make) -> None:
    """`train` and `score` run on a schedule that the file gives, like the other flows."""
    training = {"estimator": "sklearn.linear_model.LogisticRegression", "schedule": "0 1 * * 0"}
    made = project(training=training, scoring={"schedule": "0 2 * * *"})
    assert schedules_of(made) == {"training.schedule": "0 1 * * 0", "scoring.schedule": "0 2 * * *"}


@pytest.mark.parametrize("column", ["prediction_id", "decision", "probability_yes", "id"])
def test_a_column_that_each_destination_has_is_refused(project: Make, column: str) -> None:
    """A column that is carried along must not have the name of one that is there anyway."""
    with pytest.raises(ProjectError, match=rf"scoring\.columns holds `{column}`"):
        project(scoring={"columns": [column]})


@pytest.mark.parametrize("key", ["id", "entity"])
def test_a_name_of_rows_is_no_column_of_the_destination(project: Make, key: str) -> None:
    """Rows that are named by `model` would lose their names to the destination's own column."""
    data = {"source": SOURCE, "target": "late", "timestamp": "at", key: "model"}
    assert project(data=data).scoring.destination is None
    with pytest.raises(ProjectError, match=r"scoring\.destination has a column `model` of its own"):
        project(data=data, scoring={"destination": {"kind": "parquet", "path": "out"}})


def test_a_window_needs_times(project: Make) -> None:
    """A window without a timestamp is refused; a table of a database is named by one word or two."""
    with pytest.raises(ProjectError, match=r"scoring\.window needs data\.timestamp"):
        project(data={"source": SOURCE, "target": "late"}, scoring={"window": "1d"})
    with pytest.raises(ProjectError, match=r"scoring\.destination\.sql\.table"):
        project(scoring={"destination": {"kind": "sql", "url_env": "U", "table": "a; DROP"}})
