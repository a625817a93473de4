"""The server against its own description: schemathesis looks for what the description does not say."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from regrow.serving.http.keys import new_key

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
CONFIGURATION = """
[parameters]
"path.name" = "demo"

[auth.openapi.key]
api_key = "{key}"
"""


@pytest.mark.long
def test_the_server_answers_as_it_describes_itself(start, tmp_path, size):
    """Whatever is sent: no 5xx that is not described, no hang, no status, type or body outside the description."""
    examples = size(5, 4000)  # of each operation; 4000 make over 10,000 requests
    key, entry = new_key({"admin"})
    server = start(tmp_path, "--model", "demo", REGROW_API_KEYS=entry, REGROW_LOG_FORMAT="json")
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION.format(key=key))
    assert httpx.get(f"{server.url}/openapi.json").status_code == 401, "it names models and columns"
    document = httpx.get(f"{server.url}/openapi.json", headers={"X-API-Key": key})
    (tmp_path / "openapi.json").write_bytes(document.content)
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        "schemathesis.toml",
        "run",
    ]
    command += ["openapi.json", "--url", server.url, "--checks", ",".join(CHECKS)]
    command += ["--max-examples", str(examples), "--phases", "examples,coverage,fuzzing", "--seed", "1"]
    command += ["--request-timeout", "20", "--continue-on-failure", "--warnings", "off"]
    command += ["--generation-database", "none"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    assert server.process.poll() is None
    assert httpx.get(f"{server.url}/health", headers={"X-API-Key": key}).json()["journal"]["error"] is None
    assert server.stop() == 0
    log = server.log.read_text()
    requests = [line for line in map(json.loads, log.splitlines()) if line["message"] == "request"]
    reached = {(line["method"], line["path"], line["status"]) for line in requests}
    for path, status in (
        ("/models/demo/invocations", 200),
        ("/invocations", 200),
        ("/models/demo/labels", 202),
    ):
        assert ("POST", path, status) in reached, "the examples must come as far as an answer"
    assert len(requests) > 2 * examples
    assert key not in log
    assert "Traceback" not in log


def test_the_description_names_models_and_columns(server):
    """The description holds the columns of the model that is served, each with its type."""
    document = httpx.get(f"{server.url}/openapi.json").json()
    rows = document["components"]["schemas"]["Rows"]["oneOf"][0]["properties"]["dataframe_records"]
    columns = rows["items"]["anyOf"][0]["properties"]
    assert {"carrier", "distance", "hour", "row", "at"} == set(columns)
    assert columns["hour"]["type"] == "integer"
    assert set(document["paths"]) == {
        "/models/{name}/invocations",
        "/models/{name}/labels",
        "/invocations",
        *("/ping", "/ready", "/health", "/version", "/metrics"),
    }
