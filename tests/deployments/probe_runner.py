"""A runner with a light zygote for the tests: it imports Prefect and the probe flows only."""

import asyncio
import sys

import probe_flows
from prefect.runner import Runner
from prefect.types.entrypoint import EntrypointType

from deployments import preloaded, zygote


async def main() -> None:
    """Serve the probe flows as deployments named by the first argument."""
    runner = Runner(name="probe", pause_on_shutdown=False, query_seconds=0.3)
    for each in (probe_flows.look, probe_flows.linger):
        await runner.aadd_deployment(
            await each.ato_deployment(sys.argv[1], entrypoint_type=EntrypointType.MODULE_PATH)
        )
    starter = preloaded.install((sys.executable, __file__, "zygote"))
    assert starter
    assert starter.wait()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    await runner.start()


if __name__ == "__main__":
    if sys.argv[1] == "zygote":
        zygote.LIBRARIES = ("prefect.flow_engine", "probe_flows")
        zygote.flows.__path__ = []
        sys.argv = sys.argv[1:]
        zygote.main()
    else:
        preloaded.PACKAGES = ()
        asyncio.run(main())
