"""The parts: whether each answers, and how often it had to be started again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException

from regrow.base.errors import RegrowError
from regrow.base.provenance import start_of
from regrow.base.reach import may_use_proxy, servers_of, why_silent
from regrow.base.settings import Settings
from regrow.data.times import as_utc
from regrow.services.commands import ALL_SERVICES, POOL, TITLES, Service
from regrow.services.doctor.diagnosis import Diagnosis, duration
from regrow.services.ownership import Record, read_record
from regrow.services.postgres import reach_database

SILENT_RUNNER = timedelta(seconds=120)
"""Four heartbeats of a worker of Prefect."""
RECENT = timedelta(hours=1)
PATIENCE = 10.0


def examine_servers(settings: Settings) -> Iterator[Diagnosis]:
    """Yield what was found of each part, those of this state folder and those that are given by URL."""
    for service in ALL_SERVICES:
        if record := read_record(settings.home.absolute(), service):
            yield look_at_record(service, record, datetime.now(UTC))
    yield from _look_at_database(settings)
    for name, url, variable in servers_of(settings):
        silence = why_silent(url, timeout=PATIENCE)
        remedy = f"see what its log says, start it with `regrow up`, or set {variable}"
        yield (
            Diagnosis(name, "wrong", f"does not answer at {url} ({silence})", remedy)
            if silence
            else Diagnosis(name, "well", f"answers at {url}")
        )
    yield look_at_runner(settings, datetime.now(UTC))
    yield from look_at_server(settings)


def look_at_record(service: Service, record: Record, now: datetime) -> Diagnosis:
    """Return how the supervisor of *service* has last seen it."""
    check = f"supervision of {TITLES[service]}"
    if start_of(record.pid) is None:
        return Diagnosis(
            check, "wrong", f"its `regrow up` (pid {record.pid}) was killed", "start `regrow up` again"
        )
    if record.state in {"waits", "down"}:
        return Diagnosis(
            check,
            "wrong",
            f"it has ended and does not come back: {record.last_end}",
            "see logs/up.log and its own log for the reason; it is tried again by itself",
        )
    since = datetime.fromisoformat(record.since) if record.since else now
    if record.restarts and now - since < RECENT:
        ago = duration((now - since).total_seconds())
        return Diagnosis(
            check,
            "warning",
            f"started again {record.restarts} times, last {ago} ago: {record.last_end}",
            "see logs/up.log for the reason",
        )
    return Diagnosis(check, "well", f"{record.state}, started again {record.restarts} times")


def _look_at_database(settings: Settings) -> Iterator[Diagnosis]:
    """Yield whether the database answers, if it is ours or given: others need not be ours to reach."""
    if settings.database_url is None and read_record(settings.home.absolute(), "postgres") is None:
        return
    try:
        reach_database(settings)
    except RegrowError as error:
        yield Diagnosis("PostgreSQL", "wrong", str(error), "start it with `regrow up`; its log: postgres/log")
    else:
        yield Diagnosis("PostgreSQL", "well", "answers")


def look_at_runner(settings: Settings, now: datetime) -> Diagnosis:
    """Return whether a worker of our pool has told Prefect lately that it lives."""
    remedy = "start it with `regrow up`; its log: logs/runner.log"
    if why_silent(f"{settings.prefect_api_url}/health", timeout=PATIENCE):
        return Diagnosis("runner", "warning", "not known: Prefect does not answer", remedy)
    try:
        with get_client(sync_client=True) as client:
            workers = client.read_workers_for_work_pool(POOL)
            beats = [as_utc(each.last_heartbeat_time) for each in workers if each.last_heartbeat_time]
    except (PrefectException, httpx.HTTPError) as error:
        return Diagnosis("runner", "wrong", f"Prefect knows no work pool {POOL} ({error})", remedy)
    last = max(beats, default=None)
    if last is None or now - last > SILENT_RUNNER:
        seen = f"was last heard {duration((now - last).total_seconds())} ago" if last else "was never heard"
        return Diagnosis("runner", "wrong", f"{seen}: no flow runs, no schedule fires", remedy)
    return Diagnosis("runner", "well", "takes runs")


def look_at_server(settings: Settings) -> Iterator[Diagnosis]:
    """Yield whether the model server answers, and what it says is not well."""
    url = settings.server_url or settings.local_server
    wanted = settings.server_url or read_record(settings.home.absolute(), "server")
    try:
        answer = httpx.get(
            f"{url}/health", headers=settings.server_headers, timeout=PATIENCE, trust_env=may_use_proxy(url)
        )
        page = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        yield Diagnosis(
            "model server",
            "wrong" if wanted else "warning",
            f"does not answer at {url} ({error})",
            "start it with `regrow up`, or set REGROW_SERVER_URL and REGROW_SERVER_KEY",
        )
        return
    if page.get("status") == "ok":
        yield Diagnosis("model server", "well", f"answers at {url}")
        return
    told = "; ".join(sorted(set(problems(page)))) or "it says no more"
    yield Diagnosis("model server", "wrong", f"answers, but not all is well: {told}", f"see {url}/health")


def problems(page: Any) -> Iterator[str]:
    """Yield what a health page tells under `error` and `problem`, at any depth."""
    if isinstance(page, dict):
        for key, value in page.items():
            if key in {"error", "problem"} and isinstance(value, str) and value:
                yield value
            else:
                yield from problems(value)
    elif isinstance(page, list):
        for each in page:
            yield from problems(each)
