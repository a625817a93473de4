"""What steps hand to one another."""

import pytest

from regrow.models.results import figures_by_column


@pytest.mark.parametrize("names", [("a", "b"), ("a(b", "a)b"), ("a(", "a)", "a_")])
def test_each_column_keeps_a_figure_of_its_own(names: tuple[str, ...]) -> None:
    """Names that MLflow writes alike are told apart, and none is lost."""
    values = {name: float(place) for place, name in enumerate(names)}
    figures = figures_by_column("drift", values)
    assert list(figures.values()) == list(values.values())
    assert all(name.startswith("drift.a") or name == "drift.b" for name in figures)
