"""The alert rules and the dashboard: each metric in them is exported, and each rule fires when it should."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml
from prometheus_client import CollectorRegistry

from regrow.data.flow_figures import record_end
from regrow.notifications.outbox import Outbox
from regrow.serving.metrics import ServerMetrics, StateMetrics

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deployments" / "prometheus" / "rules.yml"
DASHBOARD = ROOT / "deployments" / "grafana" / "dashboard.json"
PROMTOOL = shutil.which("promtool")
METRIC = re.compile(r"\b((?:regrow|process|python|prefect)_[a-z0-9_]+)(?:\{([^}]*)\})?")
OF_PROMETHEUS = {"job", "instance", "le"}
"""Labels that Prometheus adds, or that only a histogram's buckets have."""


def expressions() -> Iterator[str]:
    """Yield every expression of the rules and the dashboard."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return the labels of each exported sample, by name: of a server that has done one of everything."""
    home = tmp_path_factory.mktemp("state")
    record_end(home, "m", "monitor", "finished", seconds=1.0, period=60.0)
    outbox = Outbox(home)
    outbox.prepare()
    outbox.seen.touch()
    metrics, of_state = ServerMetrics(), CollectorRegistry()
    of_state.register(StateMetrics(home))
    for metric in vars(metrics).values():
        if names := getattr(metric, "_labelnames", ()):
            metric.labels(*names)
    shown: dict[str, set[str]] = {}
    for registry in (
        metrics.registry,
        of_state,
        prometheus_client.REGISTRY,
    ):  # The last is what Prefect shows.
        for family in registry.collect():
            for sample in family.samples:
                shown.setdefault(sample.name, set()).update(sample.labels)
    return shown


def test_each_metric_and_label_is_exported(exported: dict[str, set[str]]) -> None:
    """A rule on a metric, or on a label of it, that nobody exports would never fire."""
    used = [match for expression in expressions() for match in METRIC.findall(expression)]
    assert len(used) > 40
    for name, matchers in used:
        assert name in exported, f"{name} is not exported"
        labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers))
        assert labels <= exported[name] | OF_PROMETHEUS, f"{name} has no label {labels - exported[name]}"


def test_each_expression_groups_by_labels_that_exist(exported: dict[str, set[str]]) -> None:
    """What an expression sums by is a label of each metric in it."""
    for expression in expressions():
        for operation in re.findall(r"by \(([^)]*)\)\s*\(((?:[^()]|\([^()]*\))*)\)", expression):
            by = {label.strip() for label in operation[0].split(",")}
            for name, _ in METRIC.findall(operation[1]):
                assert by <= exported[name] | OF_PROMETHEUS, f"{name} is summed by {by - exported[name]}"


def test_each_rule_says_what_to_do() -> None:
    """A summary, a remedy and a severity stand with each rule, and its name is its own."""
    rules: list[dict[str, Any]] = [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule["annotations"]) == {"summary", "remedy"}
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_each_rule_is_tested() -> None:
    """The tests for promtool name every rule."""
    tests = (Path(__file__).parent / "rules_test.yml").read_text()
    rules = [
        rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]
    assert [rule for rule in rules if f"alertname: {rule}\n" not in tests] == []


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: `apt-get install prometheus`")
def test_each_rule_fires_when_it_should(tmp_path: Path) -> None:
    """`promtool test rules` on made-up series: before the limit nothing, after it the alert with its words."""
    asked = tmp_path / "rules_test.yml"
    asked.write_text((Path(__file__).parent / "rules_test.yml").read_text().replace("RULES", str(RULES)))
    for words in (["check", "rules", str(RULES)], ["test", "rules", str(asked)]):
        done = subprocess.run(
            [str(PROMTOOL), *words], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
