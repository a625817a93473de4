"""MLflow's tracking server in one process: `python -m regrow.services.mlflow_server`.

`mlflow server` imports MLflow, prepares the database, then starts a process that imports it all again: that doubles
the start. What is used of MLflow here is not its documented interface; a test notices if it changes.
"""

import argparse
import os

import uvicorn
from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR
from mlflow.server.handlers import initialize_backend_stores


def main() -> None:
    """Prepare the database that MLFLOW_BACKEND_STORE_URI names, then serve it; files are not served."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--artifacts", required=True, help="URI of the folder of all runs' files")
    given = parser.parse_args()
    database = os.environ["MLFLOW_BACKEND_STORE_URI"]
    # MLflow's web application reads these when it is imported.
    os.environ |= {BACKEND_STORE_URI_ENV_VAR: database, ARTIFACT_ROOT_ENV_VAR: given.artifacts}
    initialize_backend_stores(database, None, given.artifacts)
    uvicorn.run("mlflow.server.fastapi_app:app", host=given.host, port=given.port, log_level="info")


if __name__ == "__main__":
    main()
