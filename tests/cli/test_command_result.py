"""Where more of a command's result stands."""

from types import SimpleNamespace

import pytest

from regrow import lineage, registry
from regrow.cli.command_result import find_links
from regrow.settings import Settings


@pytest.mark.parametrize(
    ("known", "server", "names"),
    [
        ({"flow": "r1", "flow/measure_drift": "r2"}, True, ["Prefect run", "MLflow run", "report"]),
        ({"flow": "r1", "flow/measure_drift": "quiet"}, True, ["Prefect run", "MLflow run"]),
        ({"flow": "r1"}, True, ["Prefect run", "MLflow run"]),
        ({}, True, ["Prefect run"]),
        ({"flow": "r1", "flow/measure_drift": "r2"}, False, ["Prefect run"]),
    ],
)
def test_only_pages_that_exist_are_linked(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, str], server: bool, names: list[str]
) -> None:
    """A run that was not found, a report that was not written, or an MLflow without a server has no page."""

    def find_run(_: object, experiment: str, key: str) -> SimpleNamespace | None:
        if key not in known:
            return None
        tags = {} if known[key] == "quiet" else {"regrow.report": "report.html"}
        return SimpleNamespace(info=SimpleNamespace(run_id=known[key]), data=SimpleNamespace(tags=tags))

    monkeypatch.setenv("PREFECT_API_URL", "http://prefect/api")
    monkeypatch.setattr(registry, "connect", lambda: "client")
    monkeypatch.setattr(lineage, "find_experiment", lambda _, name: f"of {name}")
    monkeypatch.setattr(lineage, "find_run", find_run)
    monkeypatch.setattr(
        lineage, "run_url", lambda experiment, run: f"{experiment}, {run}" if server else None
    )
    links = find_links(Settings(), "demo", "flow")
    pages = {
        "Prefect run": "http://prefect/runs/flow-run/flow",
        "MLflow run": "of demo, r1",
        "report": "of demo, r2/artifacts/report.html",
    }
    assert links == {name: pages[name] for name in names}
