"""The units for systemd, checked by systemd itself."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from regrow.services.commands import ALL_SERVICES, SERVER_PATIENCE

UNITS = Path(__file__).parents[2] / "deployments" / "systemd"
COMMAND = "/opt/regrow/.venv/bin/regrow"


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze (Debian: systemd) is not there"
)
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say of any unit, with a command that this machine has."""
    for file in UNITS.rglob("*.*"):
        if file.is_file():
            copy = tmp_path / file.relative_to(UNITS)
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(file.read_text().replace(COMMAND, sys.executable))
    parts = [tmp_path / f"regrow@{service}.service" for service in ALL_SERVICES]
    for part in parts:
        shutil.copy(tmp_path / "regrow@.service", part)
    units = [
        *parts,
        *(tmp_path / f"regrow{rest}" for rest in (".target", "-doctor.service", "-doctor.timer")),
    ]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, units)],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line for line in done.stderr.splitlines() if "regrow" in line]
    assert (done.returncode, told) == (0, []), done.stderr


def test_the_target_holds_every_part_and_waits_for_the_model_server() -> None:
    """Each part is started by the target, and a stop leaves the model server the time that it needs."""
    target = (UNITS / "regrow.target").read_text()
    assert all(f"regrow@{service}.service" in target for service in ALL_SERVICES)
    part = dict(
        line.split("=", 1) for line in (UNITS / "regrow@.service").read_text().splitlines() if "=" in line
    )
    assert float(part["TimeoutStopSec"]) > SERVER_PATIENCE
    order = (UNITS / "regrow@server.service.d" / "order.conf").read_text()
    assert all(f"regrow@{service}.service" in order for service in ALL_SERVICES if service != "server")
