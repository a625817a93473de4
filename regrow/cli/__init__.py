"""`regrow …`: every heavy import stands inside its command, so that help and errors come at once.

app                 the program: errors, exit codes
arguments           what several commands take, and its check
file_commands       init, check, schema
server_commands     up, down, serve, key, demo
flow_commands       train, monitor, retrain, rollout, score
registry_commands   rollback, pause, resume, ledger, trace
explain_command     explain
reproduce_command   reproduce
report_command      report
backtest_command    backtest
state_commands      backup, restore
prune_command       prune
forget_command      forget
outcome, printing   what a command came to, as a table or as JSON
status_command      status
doctor_command      doctor
notify_command      notify
log                 the file that takes what libraries print
"""

import typer

from regrow.cli.app import EXIT_CODES, CleanErrors
from regrow.cli.backtest_command import backtest
from regrow.cli.doctor_command import doctor
from regrow.cli.explain_command import explain
from regrow.cli.file_commands import check, init, schema
from regrow.cli.flow_commands import monitor, retrain, rollout, score, train
from regrow.cli.forget_command import forget
from regrow.cli.notify_command import notify
from regrow.cli.prune_command import prune
from regrow.cli.registry_commands import ledger, pause, resume, rollback, trace
from regrow.cli.report_command import report
from regrow.cli.reproduce_command import reproduce
from regrow.cli.server_commands import demo, down, key, serve, up
from regrow.cli.state_commands import backup, restore
from regrow.cli.status_command import status

COMMANDS = (
    init, check, schema, up, down, demo, serve, key,
    train, monitor, retrain, score, rollout, pause, resume, rollback, ledger, trace, explain,
    reproduce, status, report, backtest, prune, forget, doctor, notify, backup, restore,
)  # fmt: skip
app = typer.Typer(
    cls=CleanErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Keep machine-learning models alive.",
    epilog=EXIT_CODES,
)
for command in COMMANDS:
    app.command()(command)

__all__ = ["app"]
