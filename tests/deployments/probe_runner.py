"""A runner with a light preloaded process for the tests: it imports Prefect and the probe flows only."""

import asyncio
import sys
from pathlib import Path

import probe_flows

from deployments import preloaded, register, serve

# The code that the preloaded process holds is one folder, which the tests change.
preloaded.ROOT, preloaded.PACKAGES = Path.cwd(), ("code",)


async def main(pool: str, at_once: int) -> None:
    """Serve the probe flows as deployments named like the work *pool*."""
    await register.make_pool(pool)
    for each in (probe_flows.look, probe_flows.linger):
        await (await each.ato_deployment(pool, **register.job(pool))).aapply()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    await serve.work(at_once, pool)


if __name__ == "__main__":
    if sys.argv[1] == "preloaded":
        preloaded.main(("prefect.flow_engine", "probe_flows"))
    else:
        with preloaded.running((sys.executable, __file__, "preloaded")):
            asyncio.run(main(sys.argv[1], int(sys.argv[2])))
