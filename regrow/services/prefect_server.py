"""Prefect's server behind our guard: `python -m regrow.services.prefect_server`.

Prefect asks for the sign-in itself (PREFECT_SERVER_API_AUTH_STRING) and keeps foreign pages out by CORS and CSRF
tokens; what it cannot do is to refuse a foreign Host. What is used of Prefect here is what its own command does; a test
notices if it changes.
"""

import uvicorn
from prefect.server.api.server import create_app
from prefect.settings import get_current_settings

from regrow.base.settings import load_settings
from regrow.services.guard import Guard, own_origins


def main() -> None:
    """Serve Prefect as its settings say."""
    settings, api = load_settings(), get_current_settings().server.api
    uvicorn.run(
        Guard(create_app(final=True), own_origins(api.port, settings.prefect_public_url)),
        host=api.host,
        port=api.port,
        timeout_keep_alive=api.keepalive_timeout,
        ws_ping_interval=api.websocket_ping_interval,
        ws_ping_timeout=api.websocket_ping_timeout,
        log_level=get_current_settings().server.logging_level.lower(),
    )


if __name__ == "__main__":
    main()
