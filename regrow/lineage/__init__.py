"""Lineage: one MLflow run per flow run, one nested run per step, whatever fails, retries or resumes.

A run is found by its key (`flow run id`, `flow run id/step`) before it is created. Run ids are passed explicitly
everywhere; MLflow's active run, which is bound to a thread, is never used.
"""

from regrow.lineage.announcing import announce, announce_death, announce_failure, announce_move, find_links
from regrow.lineage.deployed import open_project, remember_deployed
from regrow.lineage.parent import FlowRecord, clear_up, flow_run
from regrow.lineage.record import RunRecord, time_range
from regrow.lineage.runs import FLOW_RUN, KEY, PROCESS, find_experiment, find_run, run_url
from regrow.lineage.steps import CACHED, Step, current, failed_by_outage, step
from regrow.lineage.sweeping import effective_flow_runs, sweep
from regrow.lineage.turns import turn_to_train

__all__ = [
    "CACHED", "FLOW_RUN", "KEY", "PROCESS", "FlowRecord", "RunRecord", "Step", "announce", "announce_death",
    "announce_failure", "announce_move", "clear_up", "current", "effective_flow_runs", "failed_by_outage",
    "find_experiment", "find_links", "find_run", "flow_run", "open_project", "remember_deployed", "run_url",
    "step", "sweep", "time_range", "turn_to_train",
]  # fmt: skip
