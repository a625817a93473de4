"""The metrics of one worker, and what becomes of those of several."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from regrow.data.flow_figures import record_end
from regrow.notifications.outbox import Outbox
from regrow.serving.metrics import ServerMetrics, StateMetrics

WORKER = """
import os, sys
from regrow.serving.metrics import ServerMetrics

metrics, number = ServerMetrics(), float(sys.argv[1])
for gauge in (metrics.flushed, metrics.journal_bytes, metrics.journal_failing):
    gauge.set(number)
for gauge in (metrics.registry_up, metrics.registry_age):
    gauge.set(number)
for gauge in (metrics.weight, metrics.mirror):
    gauge.labels("demo").set(number / 10)
metrics.version.labels("demo", "champion").set(number)
metrics.load_seconds.labels("demo", "3").set(number)
metrics.set_aside.labels("demo").set(number)
metrics.swaps.labels("demo").inc(number)
print(os.getpid())
"""


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


def test_several_workers_become_one_server(tmp_path: Path):
    """Counts add up; a gauge is the last, the worst, the largest or the sum, and of a dead worker only what is true."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    made = [
        subprocess.run(
            [sys.executable, "-c", WORKER, number],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        for number in ("5", "3")
    ]
    shown = {
        ("regrow_folded_rows", ()): (5, 5),
        ("regrow_journal_bytes", ()): (8, 3),
        ("regrow_registry_up", ()): (3, 3),
        ("regrow_registry_age_seconds", ()): (5, 3),
        ("regrow_journal_failing", ()): (5, 3),
        ("regrow_set_aside_rows", (("model", "demo"),)): (5, 3),
        ("regrow_challenger_weight", (("model", "demo"),)): (0.3, 0.3),
        ("regrow_mirror_share", (("model", "demo"),)): (0.3, 0.3),
        ("regrow_model_version", (("model", "demo"), ("role", "champion"))): (3, 3),
        ("regrow_model_load_seconds", (("model", "demo"), ("version", "3"))): (3, 3),
        ("regrow_swaps_total", (("model", "demo"),)): (8, 8),
    }
    collected = CollectorRegistry()
    MultiProcessCollector(collected, path=str(tmp_path))
    for place in (0, 1):
        found = {key: collected.get_sample_value(key[0], dict(key[1])) for key in shown}
        assert found == {key: values[place] for key, values in shown.items()}
        mark_process_dead(int(made[0].stdout), path=str(tmp_path))


def test_two_servers_of_one_process_count_apart():
    """Each has a registry of its own, so that a test or a second server does not add to the first."""
    one, two = ServerMetrics(), ServerMetrics()
    one.swaps.labels("demo").inc()
    value = [each.registry.get_sample_value("regrow_swaps_total", {"model": "demo"}) for each in (one, two)]
    assert value == [1.0, None]


def test_a_metric_found_once_is_the_metric_itself():
    """The remembered metrics of a version are those that Prometheus is shown, and differ by their labels."""
    metrics = ServerMetrics()
    metrics.rows_of("demo", "3", "champion").inc(2)
    metrics.rows_of("demo", "3", "champion").inc(3)
    metrics.rows_of("demo", "4", "shadow").inc()
    labels = [
        {"model": "demo", "version": version, "role": role}
        for version, role in (("3", "champion"), ("4", "shadow"))
    ]
    assert [metrics.registry.get_sample_value("regrow_rows_total", each) for each in labels] == [5.0, 1.0]


def test_what_the_state_folder_shows_is_read_when_it_is_asked(tmp_path: Path):
    """Flows by outcome with time and schedule, what waits to be sent, the disk; the runner once it was seen."""
    registry = CollectorRegistry()
    registry.register(StateMetrics(tmp_path))
    assert registry.get_sample_value("regrow_runner_seen_timestamp_seconds") is None
    record_end(tmp_path, "demo", "monitor", "finished", seconds=3.5, period=60.0)
    record_end(tmp_path, "demo", "monitor", "killed")
    outbox = Outbox(tmp_path)
    outbox.prepare()
    outbox.seen.touch()
    (outbox.folder / "queue" / "a~env-B.json").touch()
    of = {"model": "demo", "flow": "monitor"}
    found = registry.get_sample_value
    assert found("regrow_flow_runs_total", of | {"outcome": "finished"}) == 1
    assert found("regrow_flow_runs_total", of | {"outcome": "killed"}) == 1
    assert found("regrow_flow_last_end_timestamp_seconds", of | {"outcome": "finished"}) == pytest.approx(
        time.time(), abs=60
    )
    assert found("regrow_flow_last_seconds", of) is None, "nobody knows how long a run took that was killed"
    assert found("regrow_notifications_waiting") == 1
    assert found("regrow_runner_seen_timestamp_seconds") == pytest.approx(time.time(), abs=60)
    assert 0 < (found("regrow_disk_free_bytes") or 0) <= (found("regrow_disk_size_bytes") or 0)
