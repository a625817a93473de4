"""The command reproduce: whether a version comes out again from what was kept of it."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from regrow.cli.arguments import Json, reach_servers
from regrow.cli.log import quiet

if TYPE_CHECKING:
    from regrow.lineage.reproducing import Reproduced


def reproduce(
    target: Annotated[
        str, typer.Argument(help="models:/NAME/VERSION or models:/NAME@ALIAS", show_default=False)
    ],
    as_json: Json = False,
) -> None:
    """Fit a version once more from the rows, file and code that were kept, and compare its answers; write nothing."""
    reach_servers(prefect=False)
    with quiet(f"reproducing {target}"):
        from regrow.lineage.reproducing import reproduce as fit_again

        found = fit_again(target)
    if as_json:
        sys.stdout.write(json.dumps(asdict(found), indent=2) + "\n")
        return
    for line in describe(found):
        typer.echo(line)


def describe(found: "Reproduced") -> Iterator[str]:
    """Yield what came of fitting a version again, in lines."""
    name = f"{found.model} version {found.version}"
    yield f"{name}: {found.estimator} was fitted again on the same {found.fitted:,} rows"
    if not found.different:
        yield f"it answers all {found.compared:,} rows of the holdout equally, to the last bit"
    else:
        yield (
            f"it answers {found.different:,} of {found.compared:,} rows of the holdout otherwise, by "
            f"{found.distance:.3g} at most"
        )
    if found.changed:
        yield f"not as it was then: {'; '.join(found.changed)}"
    elif found.different:
        yield "nothing that is recorded has changed: the fit itself draws numbers that no seed fixes, or uses the clock"
