"""MLflow's server in one process."""

from inspect import signature


def test_mlflow_still_has_what_its_own_command_uses() -> None:
    """The undocumented parts of MLflow that start its server are there and take what we give them."""
    from mlflow.server import fastapi_app
    from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR
    from mlflow.server.handlers import initialize_backend_stores

    signature(initialize_backend_stores).bind("postgresql://", None, "file:///artifacts")
    assert callable(fastapi_app.app)
    assert ARTIFACT_ROOT_ENV_VAR != BACKEND_STORE_URI_ENV_VAR
