"""`python -m regrow.serving`: what `regrow up` spawns."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from regrow.serving.processes import main

if __name__ == "__main__":
    main()
