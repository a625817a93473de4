"""`python -m regrow.serving`: what `regrow up` spawns."""

import os
from importlib import import_module

os.environ.setdefault("OMP_NUM_THREADS", "1")

# First, because it looks for numpy's functions in each module that is loaded: later it takes three times as long.
import_module("skops.io")

from regrow.serving.processes import main  # noqa: E402

if __name__ == "__main__":
    main()
