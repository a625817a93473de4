"""The flights' model as a BentoML service: run by BentoML's own Python, which knows nothing of Regrow.

Its adaptive batching is on: without it every row would cost a whole prediction.
"""

import os

import bentoml  # pyright: ignore[reportMissingImports] (it is no dependency of Regrow)
import pandas as pd
import skops.io


@bentoml.service(workers=int(os.environ["BENCHMARK_WORKERS"]), traffic={"timeout": 60})
class Flights:
    """Predict rows by the pipeline in the file that BENCHMARK_MODEL names."""

    def __init__(self) -> None:
        path = os.environ["BENCHMARK_MODEL"]
        self.pipeline = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))

    @bentoml.api(batchable=True, max_latency_ms=10_000, max_batch_size=256)
    def invocations(self, rows: list[dict[str, str | float | None]]) -> list[list[float]]:
        """Predict the probabilities of *rows*."""
        return self.pipeline.predict_proba(pd.DataFrame(rows)).tolist()
